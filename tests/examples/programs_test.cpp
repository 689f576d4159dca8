// The small programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/files.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::file_text;
using tests::ProgramResult;
using tests::run_program;

TEST(NormTourTest, PrintsWhatPyTorchPrints) {
  const ProgramResult result = run_program({NORMGRAD_BINARY_DIR "/examples/norm_tour"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, file_text(NORMGRAD_SOURCE_DIR "/tests/fixtures/norm_tour.txt"));
}

TEST(NormAtlasTest, WritesAPageWithACardForEachNorm) {
  const tests::TemporaryFolder folder;
  const ProgramResult result =
      run_program({NORMGRAD_BINARY_DIR "/examples/norm_atlas", "--data", "digits", "--out", folder.path().string()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string page = file_text((folder.path() / "atlas.html").string());
  for (const std::string& name : norm_names()) {
    EXPECT_THAT(page, testing::HasSubstr("<h2>" + name + "</h2>"));
  }
  EXPECT_EQ(run_program({NORMGRAD_BINARY_DIR "/examples/norm_atlas", "--data", "/nowhere"}).exit_code, 2);
}

TEST(NormAtlasTest, TakesImagesOfAnyNumberOfClasses) {
  const tests::TemporaryFolder folder;
  const std::filesystem::path data = folder / "data";
  tests::write_mnist_folder(data, 20, 20);
  const std::filesystem::path labels = data / "t10k-labels-idx1-ubyte";
  tests::Bytes bytes = tests::read_bytes(labels);
  bytes.back() = 25;
  tests::write_file(labels, bytes);
  const ProgramResult result = run_program(
      {NORMGRAD_BINARY_DIR "/examples/norm_atlas", "--data", data.string(), "--out", (folder / "out").string()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST(ReadmeTrainingTest, Learns) {
  const ProgramResult result = run_program({NORMGRAD_BINARY_DIR "/examples/readme_training"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string label = "test accuracy: ";
  ASSERT_THAT(result.out, testing::StartsWith(label));
  EXPECT_GT(std::stod(result.out.substr(label.size())), 0.95);
}

TEST(TrainingKitTest, LearnsAndGoesOn) {
  const tests::TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const std::vector<std::string> command = {NORMGRAD_BINARY_DIR "/examples/training_kit"};
  const ProgramResult first = run_program(command);
  const ProgramResult second = run_program(command);
  std::filesystem::current_path(before);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  const std::string label = "test accuracy: ";
  ASSERT_THAT(first.out, testing::StartsWith(label));
  EXPECT_GT(std::stod(first.out.substr(label.size())), 0.95);
  EXPECT_THAT(first.err, testing::HasSubstr("epoch 3: "));
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(second.err, "") << "it trained again";
  EXPECT_EQ(load_safetensors(folder / "training_kit.safetensors").tensors.size(), 8U);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
