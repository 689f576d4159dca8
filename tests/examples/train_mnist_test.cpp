#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;
using testing_support::file_text;
using testing_support::ProgramResult;
using testing_support::RunOptions;
using testing_support::write_text;

class TrainMnistTest : public testing::Test {
 protected:
  ProgramResult run(std::vector<std::string> arguments, const RunOptions& options = {}) {
    arguments.insert(arguments.begin(),
                     {NORMGRAD_BINARY_DIR "/examples/train_mnist", "--data", "digits", "--train-limit", "300",
                      "--batch-size", "30", "--epochs", "2", "--checkpoint-every", "1"});
    return testing_support::run_program(arguments, options);
  }
  /// The message of a call that is refused.
  std::string error(const std::vector<std::string>& arguments) {
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, StartsWith("train_mnist: "));
    return result.err.substr(std::min<std::size_t>(result.err.size(), 13));
  }
  std::string out(const std::string& name) const { return folder_ / name; }

  const testing_support::TemporaryFolder folder_;
};

TEST_F(TrainMnistTest, TrainsAndLeavesAllItsFiles) {
  const ProgramResult result = run({"--out", out("a")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("^test accuracy: [0-9.]+\nwrote .*/a/model.safetensors\n$"));
  EXPECT_GT(std::stod(result.out.substr(15)), 0.5) << "chance is 0.1";
  EXPECT_THAT(result.err,
              ContainsRegex("epoch 1/2: 10/10, [0-9.]+ steps/s, in 0:[0-9]{2}, loss [0-9.]+, lr 0\\.0[0-9]+\n"));
  EXPECT_THAT(file_text(out("a/metrics.csv")),
              ContainsRegex("^epoch,step,train_loss,test_accuracy\n1,10,[0-9.]+,[0-9.]+\n2,20,[0-9.]+,[0-9.]+\n$"));
  EXPECT_THAT(file_text(out("a/metrics.jsonl")), ContainsRegex("\"epoch\": 2, \"step\": 20, \"train_loss\": [0-9.]+"));
  EXPECT_THAT(file_text(out("a/train.log")), HasSubstr("digits: 300 training and "));
  EXPECT_EQ(load_safetensors(out("a/model.safetensors")).tensors.at("conv1.weight").shape(), Shape({16, 1, 3, 3}));
}

TEST_F(TrainMnistTest, DrawsABarOnATerminal) {
  EXPECT_THAT(run({"--out", out("a")}, {.terminal = true}).err, HasSubstr("epoch 1/2 [......"));
}

TEST_F(TrainMnistTest, GoesOnAfterBeingKilledAsIfItHadNotBeen) {
  ASSERT_EQ(run({"--out", out("whole")}).exit_code, 0);
  const ProgramResult killed = run(
      {"--out", out("a")},
      {.signal_when = [](const std::string& err) { return err.find("epoch 1: training loss") != std::string::npos; },
       .signal = SIGKILL});
  ASSERT_EQ(killed.exit_code, 128 + SIGKILL);
  const ProgramResult resumed = run({"--out", out("a"), "--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("going on after step 1"));
  for (const std::string file : {"/model.safetensors", "/metrics.csv", "/metrics.jsonl", "/checkpoint.safetensors"}) {
    EXPECT_EQ(file_text(out("a") + file), file_text(out("whole") + file)) << file;
  }
}

TEST_F(TrainMnistTest, RefusesBadInputAndKeepsTheCheckpoint) {
  ASSERT_EQ(run({"--out", out("a")}).exit_code, 0);
  const std::string checkpoint = out("a/checkpoint.safetensors");
  const std::string bytes = file_text(checkpoint);
  const std::string metrics = file_text(out("a/metrics.csv"));
  const std::string log = file_text(out("a/train.log"));

  EXPECT_EQ(error({"--out", out("a")}),
            "--out: '" + out("a") + "' holds a run: --resume goes on with it, --overwrite begins anew\n");
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--lr", "0.2"}),
              HasSubstr("part 'options': --lr is 0.2 but the run was begun with 0.05"));
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--batch-size", "20"}),
              HasSubstr("expected batch_size 20 but the state is of a loader with 30"));
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--train-limit", "240"}), HasSubstr("expected num_examples 240"));
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--seed", "2"}), HasSubstr("expected seed 2"));
  EXPECT_THAT(error({"--out", out("a"), "--overwrite", "--data", out("nowhere")}), HasSubstr(out("nowhere")));
  EXPECT_EQ(file_text(checkpoint), bytes);

  write_text(checkpoint, bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(error({"--out", out("a"), "--resume"}), HasSubstr("bytes of data"));
  EXPECT_EQ(file_text(checkpoint), bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(file_text(out("a/metrics.csv")), metrics);
  EXPECT_EQ(file_text(out("a/train.log")), log);

  EXPECT_EQ(error({"--out", out("b"), "--resume"}),
            "--resume: there is no checkpoint '" + out("b/checkpoint.safetensors") + "'\n");
  write_text(out("file"), "");
  EXPECT_THAT(error({"--out", out("file")}), HasSubstr("--out: the folder '" + out("file") + "' cannot be made"));
  EXPECT_THAT(error({"--colour"}), HasSubstr("--colour"));
  EXPECT_THAT(error({"--lr", "0"}), HasSubstr("--lr"));
  EXPECT_THAT(error({"--resume", "--overwrite"}), HasSubstr("excludes"));
}

TEST_F(TrainMnistTest, ExplainsItself) {
  const ProgramResult result = run({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("--resume"));
}

}  // namespace
}  // namespace normgrad
