// States with undefined entries throw an error that names them, and nothing is loaded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;

TEST(StateWithoutValueTest, IsRefusedAndNothingIsLoaded) {
  for (const std::string name : {"0.weight", "0.bias", "1.weight", "1.running_var"}) {
    for (const bool strict : {true, false}) {
      Sequential model{{"0", Linear(2, 3)}, {"1", BatchNorm1d(3)}};
      StateDict state;
      for (const auto& [key, tensor] : model.state_dict()) {
        state[key] = full_like(tensor, 7);
      }
      state[name] = Tensor();
      const std::vector<float> before = model.get_parameter("0.weight").to_vector<float>();
      EXPECT_THAT(tests::error_of<ValueError>([&] { model.load_state_dict(state, {.strict = strict}); }),
                  HasSubstr("without a value: " + name));
      EXPECT_EQ(model.get_parameter("0.weight").to_vector<float>(), before) << name;
      EXPECT_EQ(model.get_parameter("1.bias").to_vector<float>(), std::vector<float>(3, 0.0F)) << name;
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
