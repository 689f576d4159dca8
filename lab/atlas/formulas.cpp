#include <map>

#include "lab/atlas/atlas.hpp"

namespace atlas {

std::string formula_of(const std::string& norm) {
  static const std::map<std::string, std::string> formulas = {
      {"none", "y = x"},
      {"batch", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of a channel over the batch"},
      {"layer", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of a sample"},
      {"instance", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of a channel of a sample"},
      {"group", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of a group of channels of a sample"},
      {"rms", "y = γ x / √(mean(x²) + ε), with the mean over a sample"},
      {"brn", "y = γ ((x − μ) / √(σ² + ε) · r + d) + β, with r and d towards the running statistics, limited"},
      {"ghost", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of a channel over a virtual batch"},
      {"switchable", "y = γ (x − μ) / √(σ² + ε) + β, with learned averages of instance, layer and batch statistics"},
      {"power", "y = γ x / √(mean(x²) + ε) + β, with the mean of a channel over batch and positions"},
      {"iter", "y = γ Σ^(−½) (x − μ) + β, with Σ of the channels of a group, by Newton's iterations"},
      {"dyt", "y = γ tanh(α x) + β"},
      {"scale", "y = g x / max(‖x‖, ε), with the norm over the channels of a position"},
      {"l2", "y = γ x / ‖x‖, with the norm over the channels of a position"},
      {"prms", "y = γ x / (r + ε), with the root mean square r of the first channels of a position"},
      {"grn", "y = γ x g / mean(g) + β + x, with g = ‖x‖ of a channel of a sample, its mean over the channels"},
      {"frn", "y = max(γ x / √(mean(x²) + ε) + β, τ), with the mean over a channel of a sample"},
      {"evo-b0", "y = γ x / max(√(σ_batch² + ε), v x + √(σ_instance² + ε)) + β"},
      {"evo-s0", "y = γ x sigmoid(v x) / √(σ_group² + ε) + β"},
      {"pono", "y = (x − μ) / √(σ² + ε), with μ and σ² of the channels of a position"},
      {"divisive", "y = v / √(σ² + mean(v²)), v = x − mean(x), with means over a window of positions"}};
  const auto found = formulas.find(norm);
  normgrad::require<normgrad::ValueError>(found != formulas.end(), "norm_atlas: expected a formula for the norm \"",
                                          norm, "\" in lab/atlas/formulas.cpp");
  return found->second;
}

}  // namespace atlas
