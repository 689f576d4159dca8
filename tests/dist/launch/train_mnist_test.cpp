// train_mnist on several ranks, and after one of them was killed.
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/dist/launch/processes.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class DistributedTrainMnist : public testing::Test {
 protected:
  DistributedTrainMnist() { write_mnist_folder(folder_ / "data", 192, 48); }

  /// 0 ranks: without mpirun.
  ProgramResult run(int ranks, const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command;
    if (ranks > 0) {
      command = {NORMGRAD_MPIEXEC, "-n", std::to_string(ranks)};
    }
    command.push_back(NORMGRAD_TRAIN_MNIST);
    if (ranks > 0) {
      command.push_back("--distributed");
    }
    command.insert(command.end(), {"--data", (folder_ / "data").string(), "--epochs", "2", "--batch-size", "24",
                                   "--warmup", "2", "--checkpoint-every", "1", "--out", (folder_ / out).string()});
    command.insert(command.end(), more.begin(), more.end());
    return run_program(command);
  }

  fs::path file(const std::string& out, const std::string& name) const { return folder_ / out / name; }

  TemporaryFolder folder_;
};

TEST_F(DistributedTrainMnist, TrainsAsOneProcess) {
  // In float64, in which rounding decides no ReLU and no maximum, so that differences stay small.
  const std::vector<std::string> more = {"--dtype", "float64"};
  ASSERT_EQ(run(0, "one", more).exit_code, 0);
  const StateDict expected = load_safetensors(file("one", "model.safetensors")).tensors;
  for (const int ranks : {1, 3}) {
    const std::string out = std::to_string(ranks);
    const ProgramResult result = run(ranks, out, more);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out.find("test accuracy: "), result.out.rfind("test accuracy: ")) << "once, by rank 0";
    for (const auto& [name, tensor] : load_safetensors(file(out, "model.safetensors")).tensors) {
      const std::vector<double> x = tensor.to_vector<double>();
      const std::vector<double> y = expected.at(name).to_vector<double>();
      ASSERT_EQ(x.size(), y.size());
      double difference = 0;
      double scale = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        difference = std::max(difference, std::fabs(x[i] - y[i]));
        scale = std::max(scale, std::fabs(y[i]));
      }
      // Measured: 1e-13 after 16 steps, some hundred roundings.
      EXPECT_LE(difference, 1e-12 * scale) << name;
    }
  }
}

TEST_F(DistributedTrainMnist, GoesOnAfterAKill) {
  const std::vector<std::string> long_enough = {"--epochs", "12"};
  ASSERT_EQ(run(2, "whole", long_enough).exit_code, 0);
  ProgramResult killed;
  killed.exit_code = 0;
  for (int again = 0; again < 20 && killed.exit_code == 0; ++again) {  // again if the kill came too late
    fs::remove_all(folder_ / "killed");
    std::thread killer([&] {
      for (int i = 0; i < 1000 && !fs::exists(file("killed", "checkpoint.safetensors")); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      if (const pid_t rank = process_of_rank(NORMGRAD_TRAIN_MNIST, (folder_ / "killed").string(), 1)) {
        kill(rank, SIGKILL);
      }
    });
    killed = run(2, "killed", long_enough);
    killer.join();
  }
  ASSERT_NE(killed.exit_code, 0) << "all kills came too late";
  // MPICH's launcher does not say which one it was.
  EXPECT_THAT(killed.out + killed.err, HasSubstr(NORMGRAD_MPIEXEC_IS_HYDRA ? "EXIT CODE: 9" : "rank 1 "));
  fs::copy(folder_ / "killed", folder_ / "others", fs::copy_options::recursive);

  const ProgramResult resumed = run(2, "killed", {"--epochs", "12", "--resume", "--rank-logs"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(contents_of(file("killed", "train.rank1.log")), HasSubstr("epoch 12: training loss "));
  EXPECT_EQ(resumed.err.find("epoch 12: training loss "), resumed.err.rfind("epoch 12: training loss ")) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("; continuing after step "));
  for (const std::string name : {"model.safetensors", "metrics.csv", "metrics.jsonl"}) {
    EXPECT_EQ(contents_of(file("killed", name)), contents_of(file("whole", name))) << name;
  }

  const ProgramResult others = run(1, "others", {"--epochs", "12", "--resume"});
  ASSERT_EQ(others.exit_code, 0) << others.err;
  EXPECT_THAT(others.err,
              HasSubstr("the run was started with 2 ranks and continues with 1: the images keep their order"));
}

TEST_F(DistributedTrainMnist, RefusesBadInputOnce) {
  const auto error = [&](int ranks, const std::vector<std::string>& more) {
    const ProgramResult result = run(ranks, "bad", more);
    EXPECT_EQ(result.exit_code, 2);
    const std::string all = result.out + result.err;
    EXPECT_EQ(all.find("train_mnist: "), all.rfind("train_mnist: ")) << all;
    return all;
  };
  EXPECT_THAT(error(2, {"--batch-size", "7"}),
              HasSubstr("train_mnist: --batch-size: expected a multiple of the 2 ranks but got 7\n"));
  EXPECT_THAT(error(2, {"--color"}), HasSubstr("--color"));
  EXPECT_THAT(error(3, {"--batch-size", "3", "--train-limit", "2"}),
              HasSubstr("train_mnist: --distributed: expected at least one training image for each of the 3 ranks but "
                        "got 2\n"));
}

// One line of rank 0: the others have another build, or other data.
TEST_F(DistributedTrainMnist, RefusesRanksThatDiffer) {
  const fs::path other_build = folder_ / "train_mnist";
  fs::copy_file(NORMGRAD_TRAIN_MNIST, other_build);
  std::ofstream(other_build, std::ios::binary | std::ios::app) << "more";
  write_mnist_folder(folder_ / "other", 150, 48);
  const auto error = [&](const std::string& program, const std::string& data) {
    std::vector<std::string> command = {NORMGRAD_MPIEXEC};
    for (const bool first : {true, false}) {
      command.insert(command.end(),
                     {"-n", "1", first ? NORMGRAD_TRAIN_MNIST : program, "--distributed", "--data",
                      (folder_ / (first ? "data" : data)).string(), "--out", (folder_ / "bad").string()});
      if (first) {
        command.emplace_back(":");
      }
    }
    const ProgramResult result = run_program(command);
    EXPECT_EQ(result.exit_code, 2);
    const std::string all = result.out + result.err;
    EXPECT_EQ(all.find("train_mnist: "), all.rfind("train_mnist: ")) << all;
    return all;
  };
  EXPECT_THAT(error(other_build.string(), "data"),
              HasSubstr("train_mnist: --distributed: expected the same build on all ranks but rank 0 has '"));
  EXPECT_THAT(error(NORMGRAD_TRAIN_MNIST, "other"),
              HasSubstr("train_mnist: --distributed: expected the same data on all ranks but rank 0 has '192 "));
  EXPECT_THAT(error(NORMGRAD_TRAIN_MNIST, "none"), HasSubstr("train_mnist: rank 1: "));
}

}  // namespace
}  // namespace normgrad::tests
