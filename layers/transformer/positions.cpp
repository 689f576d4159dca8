#include "normgrad/layers/transformer/positions.hpp"

#include <cmath>

#include "normgrad/core/ops/attention/positions.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/init/init.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(SinusoidalPositions)
NORMGRAD_DEFINE_MEMBERS(LearnedPositions, weight)

namespace {

// The axis of the positions.
std::int64_t checked_length_axis(const char* layer, const Tensor& x, bool batch_first) {
  require<ShapeError>(x.dim() == 2 || x.dim() == 3, layer, ": expected an input ",
                      batch_first ? "[N, L, E]" : "[L, N, E]", " or [L, E] but got ", x.shape());
  return x.dim() == 3 && batch_first ? 1 : 0;
}

// Positions [L, E], broadcast over the batch.
Tensor plus_positions(const Tensor& x, const Tensor& positions, std::int64_t length_axis) {
  return add(x, x.dim() == 3 && length_axis == 0 ? unsqueeze(positions, 1) : positions);
}

}  // namespace

SinusoidalPositions::SinusoidalPositions(const PositionOptions& options)
    : batch_first_(options.batch_first), base_(options.base) {
  require<ValueError>(base_ > 0.0 && std::isfinite(base_), "SinusoidalPositions: expected base > 0 but got ", base_);
}

std::string SinusoidalPositions::extra_repr() const { return detail::concat("base=", base_); }

Tensor SinusoidalPositions::forward(const Tensor& x, std::int64_t offset) {
  const std::int64_t axis = checked_length_axis("SinusoidalPositions", x, batch_first_);
  const SinusoidalOptions options{.offset = offset, .base = base_, .dtype = x.dtype()};
  return plus_positions(x, sinusoidal_positions(x.size(axis), x.size(-1), options), axis);
}

LearnedPositions::LearnedPositions(std::int64_t max_length, std::int64_t features, const PositionOptions& options)
    : batch_first_(options.batch_first) {
  require<ValueError>(max_length > 0, "LearnedPositions: expected max_length > 0 but got ", max_length);
  require<ValueError>(features > 0, "LearnedPositions: expected features > 0 but got ", features);
  weight = Parameter(Tensor::empty({max_length, features}, options.dtype));
  reset_parameters(options.generator);
}

void LearnedPositions::reset_parameters(Generator* generator) { normal_(weight, 0.0, 0.02, generator); }

std::string LearnedPositions::extra_repr() const { return detail::concat(weight.size(0), ", ", weight.size(1)); }

Tensor LearnedPositions::forward(const Tensor& x, std::int64_t offset) {
  const std::int64_t axis = checked_length_axis("LearnedPositions", x, batch_first_);
  require<ShapeError>(x.size(-1) == weight.size(1), "LearnedPositions: expected an input of ", weight.size(1),
                      " features but got ", x.shape());
  require<ValueError>(offset >= 0 && offset <= weight.size(0) - x.size(axis), "LearnedPositions: expected at most ",
                      weight.size(0), " positions but got ", x.size(axis), " from position ", offset);
  return plus_positions(x, narrow(weight, 0, offset, x.size(axis)), axis);
}

}  // namespace normgrad
