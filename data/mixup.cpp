#include "normgrad/data/mixup.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

/// A sample of Gamma(shape, 1): Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
double draw_gamma(double shape, Generator& generator) {
  if (shape < 1.0) {
    return draw_gamma(shape + 1.0, generator) * std::pow(generator.uniform(), 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = generator.normal();
    const double v = std::pow(1.0 + c * x, 3.0);
    const double u = generator.uniform();
    if (v > 0.0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return d * v;
    }
  }
}

double draw_beta(double alpha, Generator& generator) {
  const double a = draw_gamma(alpha, generator);
  const double b = draw_gamma(alpha, generator);
  return a + b > 0.0 ? a / (a + b) : 0.5;
}

std::vector<std::int64_t> draw_order(std::int64_t n, Generator& generator) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[generator.below(i)]);
  }
  return order;
}

void check_mixture(const char* where, const Batch& batch, std::int64_t num_classes, double alpha) {
  require<ValueError>(num_classes >= 1, where, ": expected num_classes of at least 1 but got ", num_classes);
  require<ValueError>(alpha > 0.0 && std::isfinite(alpha), where, ": expected alpha > 0 but got ", alpha);
  require<DTypeError>(batch.labels.defined() && batch.labels.dtype() == kInt64, where,
                      ": expected int64 labels but got ",
                      batch.labels.defined() ? dtype_name(batch.labels.dtype()) : "undefined ones");
  require<ShapeError>(batch.inputs.dim() >= 1 && batch.labels.shape() == Shape({batch.inputs.size(0)}), where,
                      ": expected labels [n], one for each input, but got ", batch.labels.shape(), " for ",
                      batch.inputs.shape());
  const std::int64_t* label = batch.labels.data<std::int64_t>();
  for (std::int64_t i = 0; i < batch.labels.numel(); ++i) {
    require<IndexError>(label[i] >= 0 && label[i] < num_classes, where, ": expected labels in [0, ", num_classes,
                        ") but label ", i, " is ", label[i]);
  }
}

/// keep for the own label and 1 - keep for that of the other example.
Tensor mixed_labels(const Tensor& labels, const std::vector<std::int64_t>& order, double keep, std::int64_t num_classes,
                    DType dtype) {
  Tensor mixed = Tensor::empty({labels.size(0), num_classes}, dtype);
  mixed.zero_();
  const std::int64_t* label = labels.data<std::int64_t>();
  dispatch_float("mixed labels", dtype, [&](auto zero) {
    using T = decltype(zero);
    T* row = mixed.mutable_data<T>();
    for (std::size_t i = 0; i < order.size(); ++i, row += num_classes) {
      row[label[i]] += static_cast<T>(keep);
      row[label[order[i]]] += static_cast<T>(1.0 - keep);
    }
  });
  return mixed;
}

}  // namespace

Batch Mixup::operator()(Batch batch, Generator& generator) const {
  check_mixture("Mixup", batch, num_classes, alpha);
  const double keep = draw_beta(alpha, generator);
  const std::vector<std::int64_t> order = draw_order(batch.inputs.size(0), generator);
  Tensor inputs = Tensor::empty(batch.inputs.shape(), batch.inputs.dtype());
  dispatch_float("Mixup", inputs.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = batch.inputs.data<T>();
    T* to = inputs.mutable_data<T>();
    const std::int64_t size = inputs.numel() / std::max<std::int64_t>(1, inputs.size(0));
    for (const std::int64_t other : order) {
      for (std::int64_t k = 0; k < size; ++k) {
        *to++ = static_cast<T>(keep) * *from++ + static_cast<T>(1.0 - keep) * batch.inputs.data<T>()[other * size + k];
      }
    }
  });
  Tensor labels = mixed_labels(batch.labels, order, keep, num_classes, inputs.dtype());
  return {.inputs = std::move(inputs), .labels = std::move(labels)};
}

Batch CutMix::operator()(Batch batch, Generator& generator) const {
  check_mixture("CutMix", batch, num_classes, alpha);
  require<ShapeError>(batch.inputs.dim() == 4, "CutMix: expected images [n, C, H, W] but got ", batch.inputs.shape());
  const std::int64_t height = batch.inputs.size(2);
  const std::int64_t width = batch.inputs.size(3);
  const double side = std::sqrt(1.0 - draw_beta(alpha, generator));  // of the rectangle, relative to the image
  const std::vector<std::int64_t> order = draw_order(batch.inputs.size(0), generator);
  // A rectangle around a random center, cut off at the border.
  const auto range = [&](std::int64_t size) {
    const auto center =
        static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(std::max<std::int64_t>(1, size))));
    const auto half = static_cast<std::int64_t>(side * static_cast<double>(size)) / 2;
    return std::pair(std::max<std::int64_t>(0, center - half), std::min(size, center + half));
  };
  const auto [top, bottom] = range(height);
  const auto [left, right] = range(width);
  Tensor inputs = batch.inputs.detach().clone();
  dispatch_float("CutMix", inputs.dtype(), [&, top = top, bottom = bottom, left = left, right = right](auto zero) {
    using T = decltype(zero);
    const T* from = batch.inputs.data<T>();
    T* to = inputs.mutable_data<T>();
    const std::int64_t channels = inputs.size(1);
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::int64_t row = 0; row < channels * height; ++row) {
        if (row % height >= top && row % height < bottom) {
          const T* source = from + (order[i] * channels * height + row) * width;
          std::copy(source + left, source + right,
                    to + (static_cast<std::int64_t>(i) * channels * height + row) * width + left);
        }
      }
    }
  });
  const double area = static_cast<double>((bottom - top) * (right - left));
  const double keep = 1.0 - area / static_cast<double>(std::max<std::int64_t>(1, height * width));
  Tensor labels = mixed_labels(batch.labels, order, keep, num_classes, inputs.dtype());
  return {.inputs = std::move(inputs), .labels = std::move(labels)};
}

}  // namespace normgrad
