#include <cmath>
#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/random/random.hpp"

namespace normgrad {

namespace {

void check_dropout(const char* name, const Tensor& x, double p) {
  require<ValueError>(p >= 0.0 && p <= 1.0, name, ": expected p in [0, 1] but got ", p);
  detail::check_float(name, x);
}

// The shape of x with all axes from `first` on of size 1.
Shape one_per(const Shape& x, std::size_t first) {
  Shape shape = x;
  for (std::size_t i = first; i < shape.rank(); ++i) {
    shape[i] = 1;
  }
  return shape;
}

// x times one number for each place of its first `axes` axes: 0 with probability p, otherwise 1 / (1 - p).
Tensor drop_parts(const char* name, const Tensor& x, std::size_t axes, double p, bool training, Generator* generator) {
  check_dropout(name, x, p);
  if (!training || p == 0.0) {
    return x;
  }
  return mul(x, dropout(ones(one_per(x.shape(), axes), {.dtype = x.dtype()}), p, true, generator));
}

void check_axes(const char* name, const Tensor& x, std::int64_t least, std::int64_t most) {
  require<ShapeError>(x.dim() >= least && x.dim() <= most, name, ": expected a ", most, "-D input [N, C, ...] or a ",
                      least, "-D input but got ", x.shape());
}

Tensor alpha_dropout_over(const char* name, const Tensor& x, const Shape& places, double p, bool training,
                          Generator* generator) {
  check_dropout(name, x, p);
  if (!training || p == 0.0) {
    return x;
  }
  if (p == 1.0) {
    return mul(x, 0.0);
  }
  constexpr double kAlpha = 1.7580993408473766;  // the negative of SELU's limit at minus infinity
  const double scale = 1.0 / std::sqrt((kAlpha * kAlpha * p + 1.0) * (1.0 - p));
  const Tensor keep = bernoulli(Tensor::empty(places, x.dtype()), 1.0 - p, generator);
  return add(mul(x, mul(keep, scale)), (keep - 1.0) * (kAlpha * scale) + kAlpha * scale * p);
}

}  // namespace

Tensor dropout1d(const Tensor& x, double p, bool training, Generator* generator) {
  check_axes("dropout1d", x, 2, 3);
  return drop_parts("dropout1d", x, x.dim() == 3 ? 2 : 1, p, training, generator);
}

Tensor dropout2d(const Tensor& x, double p, bool training, Generator* generator) {
  check_axes("dropout2d", x, 3, 4);
  return drop_parts("dropout2d", x, 2, p, training, generator);
}

Tensor dropout3d(const Tensor& x, double p, bool training, Generator* generator) {
  check_axes("dropout3d", x, 4, 5);
  return drop_parts("dropout3d", x, x.dim() == 5 ? 2 : 1, p, training, generator);
}

Tensor alpha_dropout(const Tensor& x, double p, bool training, Generator* generator) {
  return alpha_dropout_over("alpha_dropout", x, x.shape(), p, training, generator);
}

Tensor feature_alpha_dropout(const Tensor& x, double p, bool training, Generator* generator) {
  require<ShapeError>(x.dim() >= 2, "feature_alpha_dropout: expected an input [N, C, ...] but got ", x.shape());
  return alpha_dropout_over("feature_alpha_dropout", x, one_per(x.shape(), 2), p, training, generator);
}

Tensor stochastic_depth(const Tensor& x, double p, const std::string& mode, bool training, Generator* generator) {
  require<ValueError>(mode == "batch" || mode == "row",
                      "stochastic_depth: expected mode \"batch\" or \"row\" but got \"", mode, "\"");
  require<ShapeError>(mode == "batch" || x.dim() >= 1, "stochastic_depth: expected an input [N, ...] but got ",
                      x.shape());
  return drop_parts("stochastic_depth", x, mode == "row" ? 1 : 0, p, training, generator);
}

}  // namespace normgrad
