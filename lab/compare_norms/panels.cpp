#include "lab/compare_norms/panels.hpp"

#include <algorithm>

namespace compare_norms {

const std::vector<Panel>& panels() {
  static const std::vector<Panel> all = {
      {.model = "mlp",
       .norms = {"none", "batch", "layer", "group", "rms"},
       .steps = 5000,
       .eval_every = 250,
       .lr = 0.1},
      {.model = "resnet",
       .norms = {"none", "batch", "layer", "instance", "group", "rms"},
       .steps = 200,
       .eval_every = 20,
       .lr = 1.0},
      {.model = "vit",
       .norms = {"none", "layer", "rms", "dyt"},
       .placements = {"pre", "post"},
       .steps = 150,
       .eval_every = 15,
       .lr = 4e-3},
  };
  return all;
}

const Panel* panel_of(const std::string& model) {
  const auto found =
      std::find_if(panels().begin(), panels().end(), [&](const Panel& panel) { return panel.model == model; });
  return found == panels().end() ? nullptr : &*found;
}

std::vector<std::string> norms_of_panels() {
  std::vector<std::string> names;
  for (const Panel& panel : panels()) {
    for (const std::string& norm : panel.norms) {
      if (std::find(names.begin(), names.end(), norm) == names.end()) {
        names.push_back(norm);
      }
    }
  }
  return names;
}

}  // namespace compare_norms
