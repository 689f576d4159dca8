#include "normgrad/layers/norm/detail/channel_axis.hpp"

#include <algorithm>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad::detail {

namespace {

void check_dtype(const Module& layer, const Tensor& x, const Tensor& own) {
  require<DTypeError>(is_floating_point(x.dtype()), layer.type_name(), ": expected a float32 or float64 input but got ",
                      x.dtype());
  require<DTypeError>(!own.defined() || own.dtype() == x.dtype(), layer.type_name(), ": expected an input of dtype ",
                      own.defined() ? own.dtype() : kFloat32, " but got ", x.dtype(), "; convert it with to()");
}

}  // namespace

void check_channel_axis(const Module& layer, const Tensor& x, std::int64_t axis, std::int64_t channels,
                        const Tensor& own) {
  const std::int64_t rank = x.dim();
  require<ShapeError>(axis >= -rank && axis < rank && x.size(axis) == channels, layer.type_name(),
                      ": expected an input with ", channels, " channels on axis ", axis, " but got ", x.shape());
  check_dtype(layer, x, own);
}

void check_vectors(const Module& layer, const Tensor& x, std::int64_t axis, const Tensor& own) {
  require<ShapeError>(axis >= -x.dim() && axis < x.dim(), layer.type_name(), ": expected an input with an axis ", axis,
                      " but got ", x.shape());
  check_dtype(layer, x, own);
}

void check_images(const Module& layer, const Tensor& x, std::int64_t min_rank, std::int64_t channels,
                  const Tensor& own) {
  constexpr std::int64_t kMaxRank = 5;
  require<ShapeError>(x.dim() >= min_rank && x.dim() <= kMaxRank && x.size(1) == channels, layer.type_name(),
                      ": expected an input [N, ", channels, ", *] of ", min_rank, " to ", kMaxRank, " axes but got ",
                      x.shape());
  check_dtype(layer, x, own);
}

void check_num_features(const char* type, std::int64_t num_features) {
  require<ValueError>(num_features > 0, type, ": expected num_features > 0 but got ", num_features);
}

Tensor along_axis(const Tensor& values, const Tensor& x, std::int64_t axis, DType dtype) {
  const std::int64_t at = axis < 0 ? axis + x.dim() : axis;
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(x.dim()), 1);
  sizes[static_cast<std::size_t>(at)] = values.numel();
  return values.to(dtype).reshape(sizes);
}

Tensor apply_affine(const Tensor& y, const Tensor& weight, const Tensor& bias, std::int64_t axis) {
  const Tensor scaled = weight.defined() ? y * along_axis(weight, y, axis, y.dtype()) : y;
  return bias.defined() ? scaled + along_axis(bias, y, axis, y.dtype()) : scaled;
}

Axes position_axes(const Tensor& x) {
  std::vector<std::int64_t> axes;
  for (std::int64_t axis = 2; axis < x.dim(); ++axis) {
    axes.push_back(axis);
  }
  return Axes(axes);
}

Tensor channels_second(const Tensor& x, std::int64_t axis) {
  const std::int64_t rank = x.dim();
  if (axis < -rank || axis >= rank) {
    return {};
  }
  const std::int64_t at = axis < 0 ? axis + rank : axis;
  if (at == rank - 1) {
    return x.reshape({-1, x.size(at)});
  }
  return at == 1 ? x : transpose(x, at, rank - 1).reshape({-1, x.size(at)});
}

std::int64_t automatic_groups(std::int64_t num_channels) {
  std::int64_t groups = std::min<std::int64_t>(32, num_channels);
  while (groups > 1 && num_channels % groups != 0) {
    --groups;
  }
  return groups;
}

void refill(Tensor& parameter, double value) {
  const NoGradGuard no_grad;
  if (parameter.defined()) {
    parameter.fill_(value);
  }
}

}  // namespace normgrad::detail
