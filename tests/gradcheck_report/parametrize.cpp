// Layers whose weights are computed: the gradients of the input and of all originals are checked.
#include <memory>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/running_stats.hpp"
#include "normgrad/layers/norm/spectral_norm.hpp"
#include "normgrad/layers/norm/weight_norm.hpp"
#include "normgrad/layers/norm/weight_standardization.hpp"

namespace normgrad::tests {

namespace {

// `parametrize` runs after the parameters are random, so that the state of a SpectralNorm fits them.
template <class Layer, class F>
void add_parametrized(CaseList& list, const std::string& name, const std::shared_ptr<Layer>& layer, const Tensor& x,
                      int max_order, F parametrize) {
  for (const Tensor& parameter : layer->parameters()) {
    const Tensor values = list.normal(parameter.shape(), 0.2, 0.5);
    const NoGradGuard no_grad;
    Tensor(parameter).copy_(values);
  }
  parametrize(*layer);
  Inputs inputs = {x};
  for (const Tensor& parameter : layer->parameters()) {
    inputs.push_back(parameter);
  }
  list.add(
          name,
          [layer](const Inputs& in) {
            const FreezeStatisticsGuard freeze;
            return (*layer)(in[0]);
          },
          inputs)
      .max_order = max_order;
}

}  // namespace

void add_parametrizations(CaseList& list) {
  list.start_family("parametrizations");
  constexpr int kSmooth = 4;
  const auto linear = [](std::int64_t in, std::int64_t out) {
    return std::make_shared<Linear>(in, out, LinearOptions{.bias = false, .dtype = kFloat64});
  };
  const auto conv = [] { return std::make_shared<Conv2d>(2, 2, PerAxis(2), ConvLayerOptions{.dtype = kFloat64}); };
  const auto transposed = [] {
    return std::make_shared<ConvTranspose2d>(2, 1, PerAxis(2), ConvTransposeLayerOptions{.dtype = kFloat64});
  };
  const Shape image = {1, 2, 2, 2};
  Generator generator(1);

  add_parametrized(list, "WeightNorm, Linear", linear(3, 2), list.normal({2, 3}), kSmooth,
                   [](Linear& layer) { weight_norm(layer); });
  add_parametrized(list, "WeightNorm dim=1, Linear", linear(3, 2), list.normal({2, 3}), kSmooth,
                   [](Linear& layer) { weight_norm(layer, "weight", {.dim = 1}); });
  add_parametrized(list, "WeightNorm dim=none, Linear", linear(3, 2), list.normal({2, 3}), kSmooth,
                   [](Linear& layer) { weight_norm(layer, "weight", {.dim = std::nullopt}); });
  add_parametrized(list, "WeightNorm, Conv2d", conv(), list.normal(image), 2,
                   [](Conv2d& layer) { weight_norm(layer); });

  const SpectralNormOptions spectral{.generator = &generator};
  add_parametrized(list, "SpectralNorm, Linear", linear(3, 2), list.normal({2, 3}), kSmooth,
                   [&](Linear& layer) { spectral_norm(layer, "weight", spectral); });
  add_parametrized(list, "SpectralNorm, Conv2d", conv(), list.normal(image), 2,
                   [&](Conv2d& layer) { spectral_norm(layer, "weight", spectral); });
  add_parametrized(list, "SpectralNorm, ConvTranspose2d", transposed(), list.normal(image), 2,
                   [&](ConvTranspose2d& layer) { spectral_norm(layer, "weight", spectral); });
  add_parametrized(list, "SpectralNorm of a bias, Linear",
                   std::make_shared<Linear>(2, 3, LinearOptions{.dtype = kFloat64}), list.normal({2, 2}), kSmooth,
                   [&](Linear& layer) { spectral_norm(layer, "bias", spectral); });

  add_parametrized(list, "WeightStandardization, Linear", linear(3, 2), list.normal({2, 3}), kSmooth,
                   [](Linear& layer) { weight_standardization(layer); });
  add_parametrized(list, "WeightStandardization, Conv2d", conv(), list.normal(image), 2,
                   [](Conv2d& layer) { weight_standardization(layer); });
  add_parametrized(list, "WeightStandardization, ConvTranspose2d", transposed(), list.normal(image), 2,
                   [](ConvTranspose2d& layer) { weight_standardization(layer); });
  add_parametrized(list, "spectral_norm after weight_norm, Linear", linear(3, 2), list.normal({2, 3}), 2,
                   [&](Linear& layer) { spectral_norm(weight_norm(layer), "weight", spectral); });
}

}  // namespace normgrad::tests
