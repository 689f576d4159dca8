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
      {"rms", "y = γ x / √(mean(x²) + ε), with the mean over a sample"}};
  const auto found = formulas.find(norm);
  normgrad::require<normgrad::ValueError>(found != formulas.end(), "norm_atlas: expected a formula for the norm \"",
                                          norm, "\" in lab/atlas/formulas.cpp");
  return found->second;
}

}  // namespace atlas
