#include "normgrad/core/ops/random/random.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor rand_like(const Tensor& x, Generator* generator) { return rand(x.shape(), {.dtype = x.dtype()}, generator); }

Tensor randn_like(const Tensor& x, Generator* generator) { return randn(x.shape(), {.dtype = x.dtype()}, generator); }

Tensor normal(const Tensor& mean, const Tensor& std, Generator* generator) {
  detail::check_same_dtype("normal", mean, std);
  detail::check_float("normal", mean);
  const auto deviations = std.to_vector<double>();
  for (std::size_t i = 0; i < deviations.size(); ++i) {
    require<ValueError>(!(deviations[i] < 0.0), "normal: expected a standard deviation of at least 0 but got ",
                        deviations[i], " at position ", i);
  }
  const NoGradGuard no_grad;
  const Shape shape = broadcast_shapes("normal", mean.shape(), std.shape());
  return add(mul(randn(shape, {.dtype = mean.dtype()}, generator), std), mean);
}

Tensor normal(const Tensor& mean, double std, Generator* generator) {
  return normal(mean, full({}, std, {.dtype = mean.dtype()}), generator);
}

Tensor normal(double mean, const Tensor& std, Generator* generator) {
  return normal(full({}, mean, {.dtype = std.dtype()}), std, generator);
}

Tensor normal(double mean, double std, const Shape& shape, TensorOptions options, Generator* generator) {
  detail::check_float("normal", Tensor::empty({0}, options.dtype));
  Tensor y = normal(full(shape, mean, {.dtype = options.dtype}), std, generator);
  if (options.requires_grad) {
    y.requires_grad_();
  }
  return y;
}

Tensor bernoulli(const Tensor& p, Generator* generator) {
  detail::check_float("bernoulli", p);
  const auto values = p.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    require<ValueError>(values[i] >= 0.0 && values[i] <= 1.0, "bernoulli: expected probabilities in [0, 1] but got ",
                        values[i], " at position ", i);
  }
  // In float64, so that a small probability is not rounded to the steps of float32's uniform numbers.
  const Tensor draws = rand(p.shape(), {.dtype = kFloat64}, generator);
  return to(lt(draws, to(p.detach(), kFloat64)), p.dtype());
}

Tensor bernoulli(const Tensor& x, double p, Generator* generator) {
  detail::check_float("bernoulli", x);
  require<ValueError>(p >= 0.0 && p <= 1.0, "bernoulli: expected a probability in [0, 1] but got ", p);
  return to(lt(rand(x.shape(), {.dtype = kFloat64}, generator), p), x.dtype());
}

namespace {

// Checks one row of weights and returns how many are above 0.
std::int64_t count_of_weights(const double* weights, std::int64_t n, std::int64_t row) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    require<ValueError>(weights[i] >= 0.0 && std::isfinite(weights[i]),
                        "multinomial: expected finite weights of at least 0 but got ", weights[i], " at position ",
                        row * n + i);
    count += weights[i] > 0.0 ? 1 : 0;
  }
  require<ValueError>(count > 0, "multinomial: expected a weight above 0 in each row but row ", row, " has none");
  return count;
}

void draw_with_replacement(const double* weights, std::int64_t n, std::int64_t samples, Generator& generator,
                           std::int64_t* to) {
  std::vector<double> sums(weights, weights + n);
  std::partial_sum(sums.begin(), sums.end(), sums.begin());
  const auto last = std::lower_bound(sums.begin(), sums.end(), sums.back());  // the last weight above 0
  for (std::int64_t i = 0; i < samples; ++i) {
    to[i] = std::upper_bound(sums.begin(), last, generator.uniform() * sums.back()) - sums.begin();
  }
}

// The smallest of exponential times with the weights as rates come first.
void draw_without_replacement(const double* weights, std::int64_t n, std::int64_t samples, Generator& generator,
                              std::int64_t* to) {
  std::vector<std::pair<double, std::int64_t>> times;
  for (std::int64_t i = 0; i < n; ++i) {
    const double time = -std::log1p(-generator.uniform());
    if (weights[i] > 0.0) {
      times.emplace_back(time / weights[i], i);
    }
  }
  std::partial_sort(times.begin(), times.begin() + samples, times.end());
  for (std::int64_t i = 0; i < samples; ++i) {
    to[i] = times[static_cast<std::size_t>(i)].second;
  }
}

}  // namespace

Tensor multinomial(const Tensor& weights, std::int64_t num_samples, bool replacement, Generator* generator) {
  require<ShapeError>(weights.dim() == 1 || weights.dim() == 2, "multinomial: expected weights [n] or [m, n] but got ",
                      weights.shape());
  detail::check_float("multinomial", weights);
  require<ValueError>(num_samples >= 1, "multinomial: expected num_samples >= 1 but got ", num_samples);
  const std::int64_t n = weights.size(-1);
  const std::int64_t rows = weights.dim() == 2 ? weights.size(0) : 1;
  require<ShapeError>(n >= 1, "multinomial: expected at least one weight but got ", weights.shape());
  const auto values = weights.to_vector<double>();
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t count = count_of_weights(values.data() + row * n, n, row);
    require<ValueError>(replacement || num_samples <= count, "multinomial: expected at most ", count,
                        " samples without replacement, the number of weights above 0, but got ", num_samples);
  }
  Tensor y = Tensor::empty(weights.dim() == 2 ? Shape{rows, num_samples} : Shape{num_samples}, kInt64);
  Generator& source = generator == nullptr ? default_generator() : *generator;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto draw = replacement ? draw_with_replacement : draw_without_replacement;
    draw(values.data() + row * n, n, num_samples, source, y.mutable_data<std::int64_t>() + row * num_samples);
  }
  return y;
}

Tensor gumbel_softmax(const Tensor& logits, double tau, bool hard, std::int64_t axis, Generator* generator) {
  detail::check_float("gumbel_softmax", logits);
  require<ValueError>(tau > 0.0, "gumbel_softmax: expected tau > 0 but got ", tau);
  const auto a = static_cast<std::int64_t>(normalize_axis("gumbel_softmax", axis, logits.dim()));
  const Tensor draws = rand(logits.shape(), {.dtype = kFloat64}, generator) + 0x1p-54;  // in (0, 1)
  const Tensor noise = to(neg(log(neg(log(draws)))), logits.dtype());
  const Tensor soft = softmax((logits + noise) / tau, a);
  if (!hard) {
    return soft;
  }
  const Tensor chosen = scatter(zeros_like(soft), a, argmax(soft, a, true), 1.0);
  return chosen - soft.detach() + soft;
}

}  // namespace normgrad
