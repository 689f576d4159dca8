// An interrupted recalibration leaves the model unchanged.
#include <gtest/gtest.h>

#include "tests/train/train_support.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(RecalibrateUndoTest, AForwardThatThrowsInTheSecondPassTakesTheFirstBack) {
  Sequential net(BatchNorm1d(2), Linear(2, 2), BatchNorm1d(2));
  int calls = 0;
  ModuleHookHandle handle = net[2].register_forward_pre_hook([&calls](Module&, const Tensor&) {
    require<ValueError>(++calls != 4, "the fourth batch is too many");
    return Tensor();
  });
  StateDict before;
  for (const auto& [name, tensor] : net.state_dict()) {
    before[name] = tensor.clone();
  }
  const std::vector<Tensor> batches = {randn({8, 2}) + 3.0, randn({8, 2}) - 1.0};
  EXPECT_THROW(recalibrate(net, batches, {.layer_by_layer = true}), ValueError);
  EXPECT_EQ(calls, 4);
  for (const auto& [name, tensor] : net.state_dict()) {
    EXPECT_EQ(tensor.to_vector<double>(), before.at(name).to_vector<double>()) << name;
  }
  handle.remove();
  recalibrate(net, batches, {.layer_by_layer = true});
  EXPECT_NE(net.state_dict().at("0.running_mean").to_vector<double>(), before.at("0.running_mean").to_vector<double>());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
