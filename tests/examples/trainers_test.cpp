// The example trainers of the cookbook learn, and go on as if they had not been stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/cifar_files.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/data/image_file.hpp"
#include "normgrad/data/image_folder.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ContainsRegex;
using testing::HasSubstr;
using tests::file_text;
using tests::ProgramResult;

class TrainersTest : public testing::Test {
 protected:
  /// A run in the folder `out`; one thread, since the models are small.
  ProgramResult run(const std::string& program, const std::string& out, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {NORMGRAD_BINARY_DIR "/examples/" + program, "--out", folder_ / out, "--threads",
                                        "1"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const ProgramResult result = tests::run_program(command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result;
  }
  /// The number after `label` in a program's output.
  static double number(const ProgramResult& result, const std::string& label) {
    const std::size_t at = result.out.find(label);
    EXPECT_NE(at, std::string::npos) << result.out;
    return at == std::string::npos ? 0.0 : std::stod(result.out.substr(at + label.size()));
  }
  /// Checks that a run of `first`, resumed with `second`, leaves the metrics and the checkpoint of a run of `second`.
  void expect_resumes(const std::string& program, const std::vector<std::string>& first,
                      const std::vector<std::string>& second) {
    run(program, "whole", second);
    run(program, "parts", first);
    std::vector<std::string> resume = second;
    resume.emplace_back("--resume");
    EXPECT_THAT(run(program, "parts", resume).err, HasSubstr("continuing after step "));
    for (const char* file : {"metrics.csv", "checkpoint.safetensors"}) {
      EXPECT_EQ(file_text(folder_ / "parts" / file), file_text(folder_ / "whole" / file)) << file;
    }
  }

  const tests::TemporaryFolder folder_;
};

TEST_F(TrainersTest, ImagesLearnsCifar) {
  tests::write_cifar10_folder(folder_ / "cifar", 60, 100);
  const ProgramResult result = run("images", "a",
                                   {"--data", folder_ / "cifar", "--epochs", "4", "--batch-size", "20", "--width", "4",
                                    "--depth", "8", "--lr", "0.1", "--ema", "0.9", "--no-flip"});
  EXPECT_GT(number(result, "test accuracy: "), 0.5) << "chance is 0.1";
  EXPECT_THAT(result.err, HasSubstr("300 training and 100 test images of [3, 32, 32] in 10 classes"));
  EXPECT_THAT(file_text(folder_ / "a/metrics.csv"),
              ContainsRegex("^epoch,train_loss,test_accuracy,test_accuracy_of_average\n1,.*\n2,.*\n3,.*\n4,"));
  EXPECT_EQ(load_safetensors(folder_ / "a/model.safetensors").tensors.at("blocks.1.shortcut.weight").shape(),
            Shape({8, 4, 1, 1}));
}

TEST_F(TrainersTest, ImagesReadsFolders) {
  for (const std::string part : {"train", "test"}) {
    for (int label = 0; label < 2; ++label) {
      std::filesystem::create_directories(folder_ / ("data/" + part + "/class" + std::to_string(label)));
      for (int i = 0; i < 12; ++i) {
        Tensor image = Tensor::empty({3, 10, 12});
        image.fill_(0.2 + 0.5 * label + 0.02 * i);
        write_png(folder_ / ("data/" + part + "/class" + std::to_string(label) + "/" + std::to_string(i) + ".png"),
                  image);
      }
    }
  }
  const ProgramResult result = run("images", "a",
                                   {"--data", folder_ / "data", "--epochs", "6", "--batch-size", "6", "--width", "2",
                                    "--depth", "8", "--size", "8", "--ema", "0"});
  EXPECT_GT(number(result, "test accuracy: "), 0.9) << "chance is 0.5";
}

TEST_F(TrainersTest, SequenceLstmLearns) {
  const ProgramResult result = run("sequence_lstm", "a",
                                   {"--data", "digits", "--train-limit", "600", "--epochs", "6", "--batch-size", "20",
                                    "--hidden", "32", "--lr", "0.01"});
  EXPECT_GT(number(result, "test accuracy: "), 0.5) << "chance is 0.1";
}

// A model that knows only the mean of each pixel has a loss of 235.5.
TEST_F(TrainersTest, VaeLearns) {
  const ProgramResult result =
      run("vae", "a", {"--epochs", "4", "--batch-size", "50", "--hidden", "64", "--latent", "8", "--lr", "0.004"});
  EXPECT_LT(number(result, "test loss: "), 214.0);
  EXPECT_EQ(read_image(folder_ / "a/samples.png", 1).shape(), Shape({1, 242, 242}));
}

// The generator begins with gray images, whose distance is 3.
TEST_F(TrainersTest, GanLearns) {
  const ProgramResult result = run("gan", "a",
                                   {"--train-limit", "500", "--steps", "120", "--eval-every", "60", "--critic-steps",
                                    "2", "--width", "8", "--lr", "0.002"});
  EXPECT_LT(number(result, "distance of the mean images: "), 0.6);
  EXPECT_EQ(read_image(folder_ / "a/samples.png", 1).shape(), Shape({1, 242, 242}));
  EXPECT_THAT(file_text(folder_ / "a/metrics.csv"), ContainsRegex("^step,estimate,distance_of_means\n60,.*\n120,"));
}

// All pixels bright have an IoU of 0.13. Recognizing the digits takes more steps than this.
TEST_F(TrainersTest, UnetLearns) {
  const ProgramResult result = run("unet", "a",
                                   {"--train-limit", "800", "--epochs", "3", "--batch-size", "20", "--width", "6",
                                    "--noise", "0.1", "--lr", "0.02"});
  EXPECT_GT(number(result, "test IoU: "), 0.6);
}

TEST_F(TrainersTest, GoOnAsIfTheyHadNotBeenStopped) {
  expect_resumes("gan", {"--train-limit", "200", "--steps", "3", "--eval-every", "3", "--width", "2"},
                 {"--train-limit", "200", "--steps", "7", "--eval-every", "3", "--width", "2"});
  std::filesystem::remove_all(folder_ / "whole");
  std::filesystem::remove_all(folder_ / "parts");
  expect_resumes("vae", {"--train-limit", "200", "--epochs", "1", "--hidden", "8"},
                 {"--train-limit", "200", "--epochs", "2", "--hidden", "8"});
}

TEST_F(TrainersTest, ExplainThemselves) {
  for (const char* program : {"images", "sequence_lstm", "vae", "gan", "unet"}) {
    const ProgramResult help = run(program, "a", {"--help"});
    EXPECT_THAT(help.out, HasSubstr("--resume")) << program;
    const ProgramResult wrong =
        tests::run_program({NORMGRAD_BINARY_DIR "/examples/" + std::string(program), "--lr", "0"});
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_EQ(wrong.err, std::string(program) + ": --lr: expected a number above 0 but got '0' (see --help)\n");
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
