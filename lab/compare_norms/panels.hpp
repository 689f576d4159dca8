// What compare_norms shows if it is not told what to compare.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace compare_norms {

/// A model at which norms decide, and how it is trained.
struct Panel {
  std::string model;
  std::vector<std::string> norms;
  std::vector<std::string> placements = {};  ///< of a transformer
  std::int64_t steps = 0;
  std::int64_t eval_every = 0;
  double lr = 0.0;
};

/// mlp, whose sigmoids saturate without a norm (Ioffe and Szegedy, 2015, section 4.1); resnet at a learning rate at
/// which it does not train without one; vit with norms before its branches and after its sums, at a learning rate that
/// only the first bears (Xiong et al., 2020).
const std::vector<Panel>& panels();
/// Test images on which the panels are measured: enough for their differences, and little time.
inline constexpr std::int64_t kTestImagesOfPanels = 2500;
/// The panel of a model. Null for another model.
const Panel* panel_of(const std::string& model);
/// The norms of all panels, without repetitions.
std::vector<std::string> norms_of_panels();

}  // namespace compare_norms
