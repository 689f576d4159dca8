// Files of parametrized layers, in PyTorch: tests/fixtures/parametrize/read.py loads what is written here.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>

#include "tests/support/run_program.hpp"
#include "tests/support/source_tree.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/norm/spectral_norm.hpp"
#include "normgrad/layers/norm/weight_norm.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

TEST(ParametrizedFileTest, PyTorchComputesTheSame) {
  const std::string python =
      std::filesystem::exists("/usr/bin/python3") ? "/usr/bin/python3" : "/usr/local/bin/python3";
  const tests::TemporaryFolder folder;
  manual_seed(3);
  Sequential net(spectral_norm(Conv2d(1, 3, 3)), ReLU(), Flatten(), weight_norm(Linear(12, 2)));
  SGD optimizer(net.parameters(), {.lr = 0.1});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    mean(net(randn({8, 1, 4, 4})).square()).backward();
    optimizer.step();
  }
  net.eval();
  save_safetensors(folder / "net.safetensors", net, {{"format", "pt"}});
  const tests::ProgramResult result =
      tests::run_program({python, (tests::source_dir() / "tests/fixtures/parametrize/read.py").string(),
                          (folder / "net.safetensors").string()},
                         {.environment = {{"PYTHONDONTWRITEBYTECODE", "1"}}});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  if (result.out == "no torch\n") {
    GTEST_LOG_(INFO) << "PyTorch is not installed: its numbers were not compared";
    return;
  }
  const Tensor x = arange(0, 16, 1, {.dtype = kFloat32}).reshape({1, 1, 4, 4}) * 0.1;
  std::istringstream numbers(result.out);
  for (const double wanted : net(x).to_vector<double>()) {
    double got = 0.0;
    ASSERT_TRUE(numbers >> got);
    EXPECT_NEAR(got, wanted, 1e-6);  // tol: float32, sums of some ten numbers of about 1
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
