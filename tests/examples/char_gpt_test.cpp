#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ContainsRegex;
using testing::HasSubstr;
using tests::file_text;
using tests::ProgramResult;
using tests::RunOptions;

class CharGptTest : public testing::Test {
 protected:
  /// A model that trains in about a second.
  ProgramResult run(const std::vector<std::string>& arguments, const RunOptions& options = {}) {
    std::vector<std::string> command = {NORMGRAD_BINARY_DIR "/examples/char_gpt",
                                        "--out",
                                        folder_ / "run",
                                        "--layers",
                                        "1",
                                        "--heads",
                                        "2",
                                        "--features",
                                        "32",
                                        "--context",
                                        "32",
                                        "--steps",
                                        "120",
                                        "--eval-every",
                                        "60",
                                        "--threads",
                                        "1",
                                        "--checkpoint-every",
                                        "10",
                                        "--sample",
                                        "100"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return tests::run_program(command, options);
  }
  std::string error(const std::vector<std::string>& arguments) {
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.out, "");
    return result.err;
  }

  const tests::TemporaryFolder folder_;
};

// The entropy of single characters of the stories is 2.9 nats. A model that sees only the last character reaches 2.1.
TEST_F(CharGptTest, LearnsAndLeavesAllItsFiles) {
  const ProgramResult result = run({"--lr", "0.01"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("^validation loss: [0-9.]+ per character\nsample:\n"));
  EXPECT_THAT(result.out, HasSubstr("\nwrote " + (folder_ / "run/model.safetensors").string() + "\n"));
  EXPECT_LT(std::stod(result.out.substr(17)), 2.1);
  EXPECT_THAT(result.out, HasSubstr(" the "));
  EXPECT_THAT(result.err, HasSubstr("training: 120/120, "));
  EXPECT_THAT(file_text(folder_ / "run/metrics.csv"),
              ContainsRegex("^step,train_loss,validation_loss\n60,[0-9.]+,[0-9.]+\n120,[0-9.]+,[0-9.]+\n$"));
  EXPECT_THAT(file_text(folder_ / "run/train.log"), HasSubstr("different characters; "));
  const auto model = load_safetensors(folder_ / "run/model.safetensors");
  EXPECT_EQ(model.tensors.at("encoder.layers.0.linear1.weight").shape(), Shape({128, 32}));
  EXPECT_EQ(static_cast<std::int64_t>(model.metadata.at("vocabulary").size()), model.tensors.at("head.weight").size(0));
}

TEST_F(CharGptTest, GoesOnAfterBeingKilledAsIfItHadNotBeen) {
  const std::vector<std::string> few = {"--steps", "40", "--eval-every", "20", "--checkpoint-every", "1"};
  ASSERT_EQ(run(few).exit_code, 0);
  std::map<std::string, std::string> whole;
  for (const char* file : {"model.safetensors", "metrics.csv", "metrics.jsonl", "checkpoint.safetensors"}) {
    whole[file] = file_text(folder_ / "run" / file);
  }
  const RunOptions kill = {
      .signal_when = [](const std::string& err) { return err.find("step 20: training loss") != std::string::npos; },
      .signal = SIGKILL};
  int exit_code = 0;
  for (int again = 0; again < 100 && exit_code == 0; ++again) {  // again if the signal came too late
    std::filesystem::remove_all(folder_ / "run");
    exit_code = run(few, kill).exit_code;
  }
  ASSERT_EQ(exit_code, 128 + SIGKILL);
  std::vector<std::string> resume = few;
  resume.emplace_back("--resume");
  const ProgramResult resumed = run(resume);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, ContainsRegex("continuing after step (19|[23][0-9])\n"));
  for (const auto& [file, text] : whole) {
    EXPECT_EQ(file_text(folder_ / "run" / file), text) << file;
  }
}

TEST_F(CharGptTest, ReadsATextAndRefusesBadInput) {
  const std::string file = folder_ / "text.txt";
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "\u00dcber den Wolken.\n";
  }
  tests::write_text(file, text);
  const std::vector<std::string> few = {"--data", file, "--steps", "4", "--prompt", "Wolken", "--norm", "rms"};
  const ProgramResult result = run(few);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr(file + ": 3600 bytes, 13 different characters; "));

  const auto again = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = few;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return error(arguments);
  };
  EXPECT_THAT(again({}), HasSubstr("holds a run: --resume continues it, --overwrite starts over"));
  EXPECT_THAT(again({"--resume", "--lr", "0.5"}), HasSubstr("--lr is 0.5 but the run was started with 0.002"));
  EXPECT_THAT(again({"--resume", "--norm", "layer"}), HasSubstr("\n  norm: was rms, is layer\n"));
  EXPECT_THAT(again({"--overwrite", "--prompt", "x"}),
              HasSubstr("expected one of its 13 characters but line 1, byte 1 is U+0078 'x'"));
  EXPECT_THAT(again({"--overwrite", "--prompt", ""}), HasSubstr("--prompt: expected at least one character"));
  EXPECT_THAT(again({"--overwrite", "--context", "4000"}), HasSubstr("TokenWindows: expected more tokens than"));
  EXPECT_THAT(again({"--overwrite", "--norm", "nonesuch"}), HasSubstr("nonesuch"));
  tests::write_text(file, "\xff");
  EXPECT_EQ(again({"--overwrite"}), "char_gpt: read_text: '" + file + "': expected UTF-8 but line 1, byte 1 is 0xFF\n");
  EXPECT_EQ(again({"--temperature", "0"}),
            "char_gpt: --temperature: expected a number above 0 but got '0' (see --help)\n");
}

TEST_F(CharGptTest, ExplainsItself) { EXPECT_THAT(run({"--help"}).out, HasSubstr("--temperature")); }

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
