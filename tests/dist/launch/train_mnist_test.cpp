// train_mnist on several ranks, and after one of them was killed.
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string contents_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class DistributedTrainMnist : public testing::Test {
 protected:
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
    for (const char* word : {"--data", "digits", "--train-limit", "192", "--epochs", "2", "--batch-size", "24",
                             "--warmup", "2", "--checkpoint-every", "1", "--out"}) {
      command.push_back(word);
    }
    command.push_back((folder_ / out).string());
    command.insert(command.end(), more.begin(), more.end());
    return run_program(command);
  }

  fs::path file(const std::string& out, const std::string& name) const { return folder_ / out / name; }

  /// The process of a rank that trains into `out`; 0 if there is none.
  pid_t process_of(const std::string& out, int rank) const {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
      const std::string arguments = contents_of(entry.path() / "cmdline");
      const std::string environment = contents_of(entry.path() / "environ");
      if (arguments.starts_with(NORMGRAD_TRAIN_MNIST) &&
          arguments.find((folder_ / out).string()) != std::string::npos &&
          (environment.find("OMPI_COMM_WORLD_RANK=" + std::to_string(rank)) != std::string::npos ||
           environment.find("PMI_RANK=" + std::to_string(rank)) != std::string::npos)) {
        return std::stoi(entry.path().filename().string());
      }
    }
    return 0;
  }

  TemporaryFolder folder_;
};

TEST_F(DistributedTrainMnist, TrainsAsOneProcess) {
  ASSERT_EQ(run(0, "one").exit_code, 0);
  const StateDict expected = load_safetensors(file("one", "model.safetensors")).tensors;
  for (const int ranks : {3}) {
    const std::string out = std::to_string(ranks);
    const ProgramResult result = run(ranks, out);
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
      EXPECT_LE(difference, 1e-3 * scale) << name;  // float32, and a network with ReLUs
    }
  }
}

TEST_F(DistributedTrainMnist, GoesOnAfterAKill) {
  ASSERT_EQ(run(2, "whole").exit_code, 0);
  std::thread killer([&] {
    for (int i = 0; i < 1000 && !fs::exists(file("killed", "checkpoint.safetensors")); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (const pid_t rank = process_of("killed", 1); rank != 0) {
      kill(rank, SIGKILL);
    }
  });
  const ProgramResult killed = run(2, "killed");
  killer.join();
  ASSERT_NE(killed.exit_code, 0) << "the kill came too late";
  EXPECT_THAT(killed.err, HasSubstr("rank 1 "));
  fs::copy(folder_ / "killed", folder_ / "others", fs::copy_options::recursive);

  const ProgramResult resumed = run(2, "killed", {"--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("; going on after step "));
  for (const std::string name : {"model.safetensors", "metrics.csv", "metrics.jsonl"}) {
    EXPECT_EQ(contents_of(file("killed", name)), contents_of(file("whole", name))) << name;
  }

  const ProgramResult others = run(1, "others", {"--resume"});
  ASSERT_EQ(others.exit_code, 0) << others.err;
  EXPECT_THAT(others.err, HasSubstr("the run was begun with 2 ranks and goes on with 1: the images keep their order"));
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

}  // namespace
}  // namespace normgrad::tests
