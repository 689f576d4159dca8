// The small programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/run_program.hpp"

namespace normgrad {
namespace {

using testing_support::ProgramResult;
using testing_support::run_program;

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(NormTourTest, PrintsWhatPyTorchPrints) {
  const ProgramResult result = run_program({NORMGRAD_BINARY_DIR "/examples/norm_tour"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, text_of(NORMGRAD_SOURCE_DIR "/tests/fixtures/norm_tour.txt"));
}

TEST(ReadmeTrainingTest, Learns) {
  const ProgramResult result = run_program({NORMGRAD_BINARY_DIR "/examples/readme_training"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string label = "test accuracy: ";
  ASSERT_THAT(result.out, testing::StartsWith(label));
  EXPECT_GT(std::stod(result.out.substr(label.size())), 0.95);
}

}  // namespace
}  // namespace normgrad
