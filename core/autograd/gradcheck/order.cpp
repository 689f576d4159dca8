#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/gradcheck/detail/probe.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

Tensor random_gradient(const Shape& shape, Generator& generator) {
  Tensor x = Tensor::empty(shape, kFloat64);
  double* to = x.mutable_data<double>();
  std::generate_n(to, x.numel(), [&] { return generator.normal(); });
  return x;
}

std::vector<Tensor> values_of(const TensorsFunction& f, const std::vector<Tensor>& inputs) {
  const NoGradGuard no_grad;
  return f(inputs);
}

// g(inputs, gy...) = grad(f(inputs), inputs, gy), recorded if the caller records. The first `count` inputs are f's.
TensorsFunction gradient_function(TensorsFunction f, std::size_t count) {
  return [f = std::move(f), count](const std::vector<Tensor>& all) {
    const bool create_graph = is_grad_enabled();
    const GradModeGuard recorded(true);
    const std::vector<Tensor> inputs(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<Tensor> wanted;
    std::copy_if(inputs.begin(), inputs.end(), std::back_inserter(wanted), [](auto& x) { return x.requires_grad(); });
    const std::vector<Tensor> results = f(inputs);
    std::vector<Tensor> outputs;
    std::vector<Tensor> gradients;
    for (std::size_t k = 0; k < results.size(); ++k) {
      if (results[k].requires_grad()) {
        outputs.push_back(results[k]);
        gradients.push_back(all[count + k]);
      }
    }
    if (outputs.empty()) {
      return TensorList(wanted.size());
    }
    return grad(outputs, wanted, gradients, {.create_graph = create_graph, .allow_unused = true});
  };
}

// An operation may have two backwards: a kernel, and a formula for create_graph.
void compare_recorded(const TensorsFunction& g, const std::vector<Tensor>& inputs, GradCheckReport& report) {
  const std::vector<Tensor> plain = values_of(g, inputs);
  const GradModeGuard mode(true);
  const std::vector<Tensor> recorded = g(inputs);
  for (std::size_t k = 0; k < plain.size(); ++k) {
    if (!plain[k].defined() || !recorded[k].defined()) {
      continue;
    }
    const double* a = plain[k].data<double>();
    const double* b = recorded[k].data<double>();
    double scale = 0.0;
    double error = 0.0;
    for (std::int64_t i = 0; i < plain[k].numel(); ++i) {
      scale = std::max(scale, std::abs(a[i]));
      error = std::max(error, std::abs(a[i] - b[i]));
    }
    const double noise = std::accumulate(report.inputs.begin(), report.inputs.end(), 0.0,
                                         [](double most, const auto& input) { return std::max(most, input.noise); });
    if (!(error <= 1e-9 * scale + 1e-12 + 16.0 * noise)) {
      report.passed = false;
      report.problems.push_back(
          detail::concat("gradient ", k, " ", plain[k].shape(), " of order ", report.order - 1,
                         " by the ordinary and by the recorded backward (create_graph) differ by ", error,
                         " where the largest element is ", scale));
    }
  }
}

}  // namespace

GradCheckReport gradcheck_order(const TensorFunction& f, const std::vector<Tensor>& inputs, int order,
                                GradCheckOptions options) {
  require<ValueError>(order >= 1, "gradcheck_order: expected order >= 1 but got ", order);
  Generator generator(options.seed + 1);
  TensorsFunction g = detail::recording([&f](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in)}; });
  std::vector<Tensor> all = inputs;
  for (int level = 1; level < order; ++level) {
    const std::size_t count = all.size();
    options.names.resize(count);
    const std::vector<Tensor> results = values_of(g, all);
    for (const Tensor& y : results) {
      // The gradients of the first level are checked as inputs; checking deeper ones would only repeat this.
      Tensor gy = y.defined() ? random_gradient(y.shape(), generator) : Tensor();
      if (level == 1 && gy.defined()) {
        gy.requires_grad_();
      }
      all.push_back(gy);
      options.names.push_back("gy" + std::string(static_cast<std::size_t>(level - 1), '\''));
    }
    g = gradient_function(std::move(g), count);
  }
  GradCheckReport report = detail::check_gradient(g, all, options);
  report.order = order;
  if (order > 1) {
    compare_recorded(g, all, report);
  }
  return report;
}

GradCheckReport gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, GradCheckOptions options) {
  return gradcheck_order(f, inputs, 2, std::move(options));
}

void check_gradients(const TensorFunction& f, const std::vector<Tensor>& inputs, int max_order,
                     GradCheckOptions options) {
  for (int order = 1; order <= max_order; ++order) {
    const GradCheckReport report = gradcheck_order(f, inputs, order, options);
    require<GradCheckError>(report.passed, to_string(report));
  }
}

}  // namespace normgrad
