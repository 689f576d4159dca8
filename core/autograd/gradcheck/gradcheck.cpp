#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/gradcheck/detail/probe.hpp"
#include "normgrad/core/autograd/gradcheck/finite_difference.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

Tensor random_normal(const Shape& shape, Generator& generator) {
  Tensor x = Tensor::empty(shape, kFloat64);
  double* to = x.mutable_data<double>();
  std::generate_n(to, x.numel(), [&] { return generator.normal(); });
  return x;
}

std::size_t bytes_of(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * dtype_size(x.dtype()); }

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) {
    return a.defined() == b.defined();
  }
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.row_major().buffer().data(), b.row_major().buffer().data(), bytes_of(a)) == 0;
}

Tensor copy_of(const Tensor& x) {
  if (!x.defined()) {
    return x;
  }
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  std::memcpy(y.buffer().data(), x.row_major().buffer().data(), bytes_of(x));
  return y;
}

std::vector<Tensor> evaluate(const TensorsFunction& f, const std::vector<Tensor>& inputs) {
  const NoGradGuard no_grad;
  std::vector<Tensor> results = f(inputs);
  for (Tensor& result : results) {  // a view of an input, or the input itself, would change with it
    const bool shares = result.defined() && std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& input) {
                          return input.defined() && input.buffer().shares_block(result.buffer());
                        });
    result = shares ? copy_of(result) : result;
  }
  return results;
}

// Sets one element to another value for its lifetime.
class Perturbed {
 public:
  Perturbed(Tensor x, std::int64_t element, double value) : x_(std::move(x)), element_(element) {
    double* data = x_.mutable_data<double>();
    before_ = std::exchange(data[element_], value);
  }
  Perturbed(const Perturbed&) = delete;
  Perturbed& operator=(const Perturbed&) = delete;
  ~Perturbed() { x_.mutable_data<double>()[element_] = before_; }

 private:
  Tensor x_;
  std::int64_t element_;
  double before_ = 0.0;
};

// The function under test, the inputs, and the weights of the projection.
struct Probe {
  const TensorsFunction& f;
  const std::vector<Tensor>& inputs;
  std::vector<Tensor> results;  // f(inputs)
  std::vector<Tensor> weights;  // undefined where the result is
  double magnitude = 0.0;       // sum of |w_i f_i|
};

Probe make_probe(const TensorsFunction& f, const std::vector<Tensor>& inputs, const GradCheckOptions& options) {
  bool any = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool checked = inputs[i].requires_grad();
    any = any || checked;
    require<DTypeError>(!checked || inputs[i].dtype() == kFloat64, "gradcheck: expected float64 inputs but input ", i,
                        " is ", checked ? dtype_name(inputs[i].dtype()) : "",
                        "; finite differences in float32 are too inaccurate");
  }
  require<ValueError>(any, "gradcheck: expected at least one input that requires gradients but got none");
  std::vector<Tensor> copies;
  std::transform(inputs.begin(), inputs.end(), std::back_inserter(copies), copy_of);
  Probe probe{f, inputs, evaluate(f, inputs), {}, 0.0};
  const std::vector<Tensor> again = evaluate(f, inputs);
  require<GradCheckError>(std::equal(inputs.begin(), inputs.end(), copies.begin(), same_bits),
                          "gradcheck: the function changes its inputs in place");
  require<GradCheckError>(
      probe.results.size() == again.size() && std::equal(again.begin(), again.end(), probe.results.begin(), same_bits),
      "gradcheck: two calls of the function with the same inputs differ; a random function must reset its generator in "
      "each call");
  require<ValueError>(options.grad_outputs.empty() || options.grad_outputs.size() == probe.results.size(),
                      "gradcheck: expected ", probe.results.size(), " grad_outputs, one for each result, but got ",
                      options.grad_outputs.size());
  Generator generator(options.seed);
  for (std::size_t k = 0; k < probe.results.size(); ++k) {
    const Tensor& y = probe.results[k];
    if (!y.defined()) {
      probe.weights.emplace_back();
      continue;
    }
    require<DTypeError>(y.dtype() == kFloat64, "gradcheck: expected a float64 result but result ", k, " is ",
                        y.dtype());
    const double* values = y.data<double>();
    require<GradCheckError>(std::all_of(values, values + y.numel(), [](double v) { return std::isfinite(v); }),
                            "gradcheck: result ", k, " of the function is not finite");
    probe.weights.push_back(options.grad_outputs.empty() ? random_normal(y.shape(), generator)
                                                         : options.grad_outputs[k]);
    const Tensor& w = probe.weights.back();
    require<ShapeError>(w.defined() && w.shape() == y.shape() && w.dtype() == kFloat64,
                        "gradcheck: expected grad_outputs of float64 ", y.shape(), " for result ", k, " but got ",
                        w.defined() ? detail::concat(w.dtype(), " ", w.shape()) : "an undefined tensor");
    const double* weights = w.data<double>();
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      probe.magnitude += std::abs(weights[i] * values[i]);
    }
  }
  return probe;
}

// dL/dx by backward for each input; zeros where there is no gradient.
std::vector<std::vector<double>> analytic_gradients(const Probe& probe) {
  std::vector<Tensor> wanted;
  std::vector<Tensor> outputs;
  std::vector<Tensor> weights;
  for (const Tensor& input : probe.inputs) {
    if (input.requires_grad()) {
      wanted.push_back(input);
    }
  }
  {
    const GradModeGuard recorded(true);
    const std::vector<Tensor> results = probe.f(probe.inputs);
    for (std::size_t k = 0; k < results.size(); ++k) {
      if (results[k].requires_grad() && probe.weights[k].defined()) {
        outputs.push_back(results[k]);
        weights.push_back(probe.weights[k]);
      }
    }
  }
  std::vector<Tensor> found(wanted.size());
  if (!outputs.empty()) {
    found = grad(outputs, wanted, weights, {.allow_unused = true});
  }
  std::vector<std::vector<double>> gradients;
  std::size_t next = 0;
  for (const Tensor& input : probe.inputs) {
    gradients.emplace_back();
    if (input.requires_grad()) {
      const Tensor& gradient = found[next++];
      gradients.back() = gradient.defined() ? gradient.to_vector<double>()
                                            : std::vector<double>(static_cast<std::size_t>(input.numel()), 0.0);
    }
  }
  return gradients;
}

// Differences are taken before summing, so elements that are unchanged bit for bit add no rounding error.
detail::Difference difference(const Probe& probe, const std::vector<Tensor>& above, const std::vector<Tensor>& below,
                              double step_up, double step_down) {
  detail::Difference d;
  long double slope = 0.0L;
  long double rise = 0.0L;
  long double fall = 0.0L;
  for (std::size_t k = 0; k < probe.results.size(); ++k) {
    if (!probe.weights[k].defined()) {
      continue;
    }
    const double* f0 = probe.results[k].data<double>();
    const double* fp = above[k].data<double>();
    const double* fm = below[k].data<double>();
    const double* w = probe.weights[k].data<double>();
    for (std::int64_t i = 0; i < probe.results[k].numel(); ++i) {
      if (fp[i] == f0[i] && fm[i] == f0[i]) {
        continue;
      }
      d.finite = d.finite && std::isfinite(fp[i]) && std::isfinite(fm[i]);
      slope += static_cast<long double>(w[i]) * (fp[i] - fm[i]);
      rise += static_cast<long double>(w[i]) * (fp[i] - f0[i]);
      fall += static_cast<long double>(w[i]) * (f0[i] - fm[i]);
      d.variation += std::abs(w[i]) * (std::abs(fp[i] - f0[i]) + std::abs(f0[i] - fm[i]));
      d.magnitude += std::abs(w[i]) * std::max(std::abs(fp[i]), std::abs(fm[i]));
    }
  }
  d.slope = static_cast<double>(slope) / (step_up + step_down);
  d.bend = static_cast<double>(rise) / step_up - static_cast<double>(fall) / step_down;
  d.variation /= step_up + step_down;
  return d;
}

detail::Derivative numeric_derivative(const Probe& probe, const Tensor& input, std::int64_t element, double step) {
  const double x = input.data<double>()[element];
  const auto at = [&](double h) {
    const double up = x + h;
    const double down = x - h;
    const auto value_at = [&](double value) {
      const Perturbed perturbed(input, element, value);
      std::vector<Tensor> results = evaluate(probe.f, probe.inputs);
      bool same = results.size() == probe.results.size();
      for (std::size_t k = 0; same && k < results.size(); ++k) {
        same = results[k].defined() == probe.results[k].defined() &&
               (!results[k].defined() || results[k].shape() == probe.results[k].shape());
      }
      require<GradCheckError>(same, "gradcheck: the shapes of the function's results depend on the inputs' values");
      return results;
    };
    const std::vector<Tensor> above = value_at(up);
    const std::vector<Tensor> below = value_at(down);
    return difference(probe, above, below, up - x, x - down);
  };
  return detail::differentiate(at, step);
}

// min(standard deviation of the input, max(1, |x|)).
double scale_of(const std::vector<double>& values, double x) {
  const auto n = static_cast<double>(values.size());
  double mean = 0.0;
  for (const double v : values) {
    mean += v / n;
  }
  double variance = 0.0;
  for (const double v : values) {
    variance += (v - mean) * (v - mean) / n;
  }
  const double reach = std::max(1.0, std::abs(x));
  const double spread = std::sqrt(variance);
  return spread > 1e-9 * reach ? std::min(spread, reach) : reach;
}

std::vector<std::int64_t> chosen_elements(std::int64_t n, const GradCheckOptions& options) {
  std::vector<std::int64_t> elements(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    elements[i] = static_cast<std::int64_t>(i);
  }
  if (options.max_elements > 0 && options.max_elements < n) {
    Generator generator(options.seed ^ 0x9e3779b97f4a7c15U);
    for (std::size_t i = 0; i < static_cast<std::size_t>(options.max_elements); ++i) {
      std::swap(elements[i], elements[i + static_cast<std::size_t>(generator.below(elements.size() - i))]);
    }
    elements.resize(static_cast<std::size_t>(options.max_elements));
    std::sort(elements.begin(), elements.end());
  }
  return elements;
}

struct Compared {
  std::int64_t element;
  double analytic;
  detail::Derivative numeric;
  double rounding;  // bound on the rounding error of `analytic`
};

// Applies the rule at the top of the header.
void judge(const std::vector<Compared>& all, double own_noise, double magnitude, const GradCheckOptions& options,
           GradCheckInput& entry) {
  const auto noise_of_f = [own_noise](double h) { return own_noise > 0.0 ? 16.0 * own_noise / h : 0.0; };
  double scale = 0.0;
  double variation = 0.0;
  double noise_level = 0.0;
  for (const Compared& e : all) {
    scale = std::max({scale, std::abs(e.analytic), std::abs(e.numeric.value)});
    variation = std::max(variation, e.numeric.variation);
    noise_level = std::max(noise_level, e.numeric.roundoff + noise_of_f(e.numeric.smallest_h));
  }
  entry.constant = variation <= noise_level;
  entry.degenerate = !entry.constant && scale <= 1e-7 * variation;
  double worst = -1.0;
  for (const Compared& e : all) {
    const detail::Derivative& n = e.numeric;
    const bool kink = n.kink && !(std::abs(n.bend) <= noise_of_f(n.smallest_h));
    if (kink) {
      entry.kinks.push_back(e.element);
      if (options.allow_kinks) {
        continue;
      }
    }
    const double error = std::abs(e.analytic - n.value);
    const double noise = std::min(n.uncertainty + n.roundoff, 1e-9 * n.magnitude) + e.rounding + noise_of_f(n.step);
    const double tolerance =
        options.rtol * std::max(std::abs(e.analytic), std::abs(n.value)) + options.atol * scale + noise;
    const bool good = error <= tolerance;  // false for NaN
    if (!good && !n.settled && !kink) {
      entry.unresolved.push_back(e.element);
    }
    entry.passed = entry.passed && good && n.finite && !kink;
    entry.max_abs_error = std::isfinite(error) ? std::max(entry.max_abs_error, error) : error;
    const double used =
        good ? error / std::max(tolerance, std::numeric_limits<double>::min()) : 1.0 + error / tolerance;
    if (!(used <= worst)) {
      worst = std::isnan(used) ? std::numeric_limits<double>::infinity() : used;
      entry.worst = e.element;
      entry.analytic = e.analytic;
      entry.numeric = n.value;
      entry.step = n.step;
      entry.tolerance = tolerance;
    }
  }
  const double denominator = std::max(scale, 1e-6 * magnitude);
  const bool only_noise = entry.constant && entry.passed && entry.noise > 0.0;
  entry.max_rel_error = entry.max_abs_error == 0.0 || only_noise ? 0.0 : entry.max_abs_error / denominator;
  entry.passed = entry.passed && (!entry.degenerate || options.allow_degenerate);
}

}  // namespace

GradCheckReport detail::check_gradient(const TensorsFunction& f, const std::vector<Tensor>& inputs,
                                       const GradCheckOptions& options) {
  const Probe probe = make_probe(f, inputs, options);
  const std::vector<std::vector<double>> analytic = analytic_gradients(probe);
  std::optional<double> noise;  // of f and of its gradients; estimated only when a check fails without it
  std::vector<double> noise_of_gradients;
  GradCheckReport report;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) {
      continue;
    }
    GradCheckInput entry;
    entry.index = i;
    entry.name = i < options.names.size() ? options.names[i] : "";
    entry.shape = inputs[i].shape();
    const std::vector<double> values = inputs[i].to_vector<double>();
    std::vector<Compared> all;
    for (const std::int64_t element : chosen_elements(inputs[i].numel(), options)) {
      const auto at = static_cast<std::size_t>(element);
      const double scale = scale_of(values, values[at]);
      const double step = std::ldexp(1.0, std::ilogb(options.step * scale));  // a power of two: x + h is nearly exact
      all.push_back({element, analytic[i][at], numeric_derivative(probe, inputs[i], element, step),
                     64.0 * std::numeric_limits<double>::epsilon() * probe.magnitude / scale});
    }
    const GradCheckInput blank = entry;
    judge(all, 0.0, probe.magnitude, options, entry);
    if (!entry.passed) {
      if (!noise) {
        noise = function_noise(f, inputs, probe.results, probe.weights);
        noise_of_gradients = gradient_noise(inputs, probe.weights, [&probe] { return analytic_gradients(probe); });
      }
      for (Compared& e : all) {
        e.rounding += 16.0 * noise_of_gradients[i];
      }
      GradCheckInput again = blank;
      again.noise = std::max(*noise, noise_of_gradients[i]);
      judge(all, *noise, probe.magnitude, options, again);
      entry = again.noise > 0.0 && again.passed ? again : entry;
    }
    report.passed = report.passed && entry.passed;
    report.inputs.push_back(std::move(entry));
  }
  return report;
}

TensorsFunction detail::recording(TensorsFunction f) {
  return [f = std::move(f)](const std::vector<Tensor>& inputs) {
    const bool keeps_graph = is_grad_enabled();
    const GradModeGuard recorded(true);
    std::vector<Tensor> results = f(inputs);
    for (Tensor& result : results) {
      result = keeps_graph || !result.defined() ? result : result.detach();
    }
    return results;
  };
}

GradCheckReport gradcheck(const TensorsFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options) {
  return detail::check_gradient(detail::recording(f), inputs, options);
}

GradCheckReport gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options) {
  const TensorsFunction all = [&f](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in)}; };
  return gradcheck(all, inputs, std::move(options));
}

}  // namespace normgrad
