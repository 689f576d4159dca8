#include "normgrad/core/ops/norm/norm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/detail/record_norm.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

using detail::channel_geometry;
using detail::check_norm;
using detail::norm_over;
using detail::NormSettings;
using kernels::ChannelGeometry;
using kernels::RowGeometry;

Tensor norm_last_axes(const char* name, const Tensor& x, const Shape& normalized_shape, const Tensor& weight,
                      const Tensor& bias, const NormSettings& how) {
  const std::size_t rank = normalized_shape.rank();
  require<ShapeError>(rank >= 1, name, ": expected a normalized_shape of at least 1 dimension but got []");
  const Shape& shape = x.shape();
  const std::size_t outer = shape.rank() - std::min(rank, shape.rank());
  if (shape.rank() < rank || !std::equal(normalized_shape.begin(), normalized_shape.end(), shape.begin() + outer)) {
    std::string wanted = to_string(normalized_shape);
    wanted.insert(1, "*, ");
    fail<ShapeError>(name, ": expected an input ", wanted, " for normalized_shape ", normalized_shape, " but got ",
                     shape);
  }
  check_norm(name, x, normalized_shape, weight, bias, how.eps);
  std::int64_t rows = 1;
  for (std::size_t i = 0; i < outer; ++i) {
    rows *= shape[i];
  }
  return norm_over(name, x, RowGeometry{rows, 1, normalized_shape.numel(), 1}, weight, bias, how);
}

Tensor norm_groups(const char* name, const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias,
                   const NormSettings& how) {
  const ChannelGeometry g = channel_geometry(name, x);
  require<ValueError>(num_groups > 0, name, ": expected num_groups > 0 but got ", num_groups);
  require<ShapeError>(g.channels > 0 && g.channels % num_groups == 0, name, ": expected a number of channels that ",
                      num_groups, " groups divide but got ", x.shape(), ", which has ", g.channels);
  check_norm(name, x, {g.channels}, weight, bias, how.eps);
  require<ShapeError>(x.numel() != num_groups, name, ": expected more than 1 value per group but got ", x.shape(),
                      " with ", num_groups, " groups");
  return norm_over(name, x, RowGeometry{g.batch * num_groups, num_groups, g.channels / num_groups, g.spatial}, weight,
                   bias, how);
}

Tensor norm_instances(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormSettings& how,
                      detail::SetStatistics* statistics) {
  const ChannelGeometry g = channel_geometry("instance_norm", x);
  require<ShapeError>(g.channels > 0, "instance_norm: expected at least one channel but got ", x.shape());
  check_norm("instance_norm", x, {g.channels}, weight, bias, how.eps);
  require<ShapeError>(g.spatial != 1,
                      "instance_norm: expected more than 1 value per sample and channel to take "
                      "statistics of but got ",
                      x.shape());
  return norm_over("instance_norm", x, RowGeometry{g.batch * g.channels, g.channels, 1, g.spatial}, weight, bias, how,
                   statistics);
}

// [N, C] -> [C], in float64.
Tensor mean_over_batch(const Tensor& statistics, std::int64_t batch, std::int64_t channels) {
  Tensor result = Tensor::empty({channels}, kFloat64);
  const double* from = statistics.data<double>();
  double* to = result.mutable_data<double>();
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0.0;
    for (std::int64_t n = 0; n < batch; ++n) {
      sum += from[n * channels + c];
    }
    to[c] = sum / static_cast<double>(batch);
  }
  return result;
}

}  // namespace

NormResult batch_norm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                               const Epilogue& epilogue) {
  const ChannelGeometry g = channel_geometry("batch_norm", x);
  check_norm("batch_norm", x, {g.channels}, weight, bias, eps);
  require<ShapeError>(g.count() != 1,
                      "batch_norm: expected more than 1 value per channel to take statistics of but "
                      "got ",
                      x.shape());
  detail::SetStatistics s;
  Tensor y = norm_over("batch_norm", x, g, weight, bias, {eps, true, epilogue}, &s);
  return {std::move(y), s.mean, s.var, g.count()};
}

NormResult batch_statistics(const Tensor& x) {
  const ChannelGeometry g = channel_geometry("batch_statistics", x);
  const Shape channels{g.channels};
  detail::SetStatistics s{Tensor::empty(channels, kFloat64), Tensor::empty(channels, kFloat64),
                          Tensor::empty(channels, kFloat64)};
  dispatch_float("batch_statistics", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::norm_forward<T>(g, {.x = x.data<T>(), .eps = 1.0, .computed = s.written()});
  });
  return {{}, s.mean, s.var, g.count()};
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Epilogue& epilogue) {
  return norm_instances(x, weight, bias, {eps, true, epilogue}, nullptr);
}

NormResult instance_norm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                                  const Epilogue& epilogue) {
  detail::SetStatistics s;
  Tensor y = norm_instances(x, weight, bias, {eps, true, epilogue}, &s);
  const ChannelGeometry g = channel_geometry("instance_norm", x);
  return {std::move(y), mean_over_batch(s.mean, g.batch, g.channels), mean_over_batch(s.var, g.batch, g.channels),
          g.spatial};
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps,
                  const Epilogue& epilogue) {
  return norm_last_axes("layer_norm", x, normalized_shape, weight, bias, {eps, true, epilogue});
}

Tensor layer_norm_over(const Tensor& x, const Axes& axes, const Tensor& weight, const Tensor& bias, double eps,
                       const Epilogue& epilogue) {
  const std::size_t rank = x.shape().rank();
  const auto named = axes.mask("layer_norm", x.dim());
  std::vector<std::int64_t> order;
  Shape normalized;
  for (const bool last : {false, true}) {
    for (std::size_t i = 0; i < rank; ++i) {
      if (last == (axes.all() || named[i])) {
        order.push_back(static_cast<std::int64_t>(i));
        if (last) {
          normalized.push_back(x.shape()[i]);
        }
      }
    }
  }
  if (std::is_sorted(order.begin(), order.end())) {
    return layer_norm(x, normalized, weight, bias, eps, epilogue);
  }
  std::vector<std::int64_t> back(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  const Tensor y = layer_norm(permute(x, order), normalized, weight, bias, eps, {.activation = epilogue.activation});
  return detail::apply_epilogue({.window_height = epilogue.window_height, .window_width = epilogue.window_width},
                                permute(y, back));
}

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps,
                  const Epilogue& epilogue) {
  return norm_groups("group_norm", x, num_groups, weight, bias, {eps, true, epilogue});
}

Tensor group_rms_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps,
                      const Epilogue& epilogue) {
  return norm_groups("group_rms_norm", x, num_groups, weight, bias, {eps, false, epilogue});
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, std::optional<double> eps,
                const Epilogue& epilogue) {
  const double machine = x.dtype() == kFloat64 ? std::numeric_limits<double>::epsilon()
                                               : static_cast<double>(std::numeric_limits<float>::epsilon());
  return norm_last_axes("rms_norm", x, normalized_shape, weight, {}, {eps.value_or(machine), false, epilogue});
}

Tensor local_response_norm(const Tensor& x, std::int64_t size, double alpha, double beta, double k) {
  require<ValueError>(size > 0, "local_response_norm: expected size > 0 but got ", size);
  require<ShapeError>(x.dim() >= 3,
                      "local_response_norm: expected an input [N, C, *] of at least 3 dimensions but got ", x.shape());
  if (x.dtype() == kFloat32) {  // rounded once, at the end
    return local_response_norm(x.to(kFloat64), size, alpha, beta, k).to(kFloat32);
  }
  const std::int64_t channels = x.size(1);
  std::vector<std::int64_t> padding(static_cast<std::size_t>(2 * (x.dim() - 1)),
                                    0);  // pairs, starting with the last axis
  padding[padding.size() - 2] = size / 2;
  padding[padding.size() - 1] = (size - 1) / 2;
  const Tensor squares = pad(square(x), padding);
  Tensor sum = narrow(squares, 1, 0, channels);
  for (std::int64_t i = 1; i < size; ++i) {
    sum = sum + narrow(squares, 1, i, channels);
  }
  return x * pow(sum * (alpha / static_cast<double>(size)) + k, -beta);
}

}  // namespace normgrad
