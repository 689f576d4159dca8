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
      {"brn", "y = γ ((x − μ) / √(σ² + ε) r + d) + β, where r and d bring μ and σ² of the batch near the running ones"},
      {"ghost", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of a channel over a virtual batch"},
      {"switchable",
       "y = γ (x − μ) / √(σ² + ε) + β, with learned means of the statistics of instance, layer and batch"},
      {"power", "y = γ x / √(ψ² + ε) + β, with a running mean ψ² of the squares of a channel"},
      {"iter",
       "y = γ Σ^(−1/2) (x − μ) + β, with the covariance Σ of the channels over the batch, by Newton's iteration"},
      {"bin", "y = γ (g z + (1 − g) u) + β, with z = batch, u = instance and a gate g; here g = 1/2, it starts at 1"},
      {"mobn", "y = x − μ + β, with μ of a channel over the batch"},
      {"dyt", "y = γ tanh(α x) + β"},
      {"scale", "y = g x / max(‖x‖, ε), with the norm of the channels of a pixel and one length g for all"},
      {"l2", "y = γ x / √(Σ x² + ε), with the sum over the channels of a pixel"},
      {"prms", "y = γ x / (√mean(x²) + ε), with the mean over the first channels of a pixel"},
      {"grn",
       "y = γ x g / (mean(g) + ε) + β + x, with the norm g of a channel of a sample; here γ = 1, it starts at 0"},
      {"frn", "y = max(γ x / √(mean(x²) + ε) + β, τ), with the mean over a channel of a sample; here without τ"},
      {"evo-b0",
       "y = γ x / max(√(σ² + ε), v x + √(s² + ε)) + β, with σ² of a channel over the batch and s² of a sample"},
      {"evo-s0", "y = γ x sigmoid(v x) / √(σ² + ε) + β, with σ² of a group of channels of a sample"},
      {"pono", "y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² of the channels of a pixel"},
      {"divisive", "y = γ v / √(ς² + mean(v²)) + β, v = x − mean(x), with means over a window of pixels"},
      {"pixel", "y = x / √(mean(x²) + ε), with the mean over the channels of a pixel"},
      {"lrn", "y = x / (k + α mean(x²))^β, with the mean over neighboring channels of a pixel"}};
  const auto found = formulas.find(norm);
  normgrad::require<normgrad::ValueError>(found != formulas.end(), "norm_atlas: expected a formula for the norm \"",
                                          norm, "\" in lab/atlas/formulas.cpp");
  return found->second;
}

}  // namespace atlas
