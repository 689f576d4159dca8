// reproduce as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <sstream>
#include <nlohmann/json.hpp>

#include "lab/files.hpp"
#include "lab/reproduce/report.hpp"
#include "tests/support/browser.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::ProgramResult;

class ReproduceTest : public testing::Test {
 protected:
  ProgramResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), NORMGRAD_BINARY_DIR "/examples/reproduce");
    arguments.insert(arguments.end(), {"--out", (folder_ / "out").string()});
    return tests::run_program(arguments);
  }
  tests::TemporaryFolder folder_;
};

TEST_F(ReproduceTest, GradientsGrowThroughBatchNormAsInTheory) {
  const ProgramResult result = run({"mean-field", "--quick", "--data", "digits"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(lab::read_whole(folder_ / "out/mean-field.json").value_or(""));
  // Golden values of Theorem 8, computed independently.
  const std::vector<double> golden = {1.78819, 1.58995, 1.52195, 1.49306, 1.2, 1.07692, 1.03448, 1.01639};
  ASSERT_EQ(json.at("findings").size(), 9U);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const auto& finding = json.at("findings")[i];
    EXPECT_NEAR(std::stod(finding.at("published").get<std::string>()), golden[i], 1e-4);
    EXPECT_NEAR(std::stod(finding.at("measured").get<std::string>()), golden[i], 0.03 * golden[i]);
    EXPECT_EQ(finding.at("held"), true) << finding;
  }
  EXPECT_THAT(result.out, HasSubstr("held        ReLU, batch 8: "));
  EXPECT_THAT(result.out, HasSubstr("published   1.7882"));
  EXPECT_THAT(lab::read_whole(folder_ / "out/mean-field.md").value_or(""), HasSubstr("| held | ReLU, batch 8: "));
  ASSERT_TRUE(tests::find_browser()) << "chromium is not installed (scripts/setup.sh test)";
  const tests::BrowserResult page = tests::open_in_browser(folder_ / "out/report.html", "all");
  EXPECT_EQ(page.console, "");
  EXPECT_THAT(page.document, HasSubstr("data-drawn=\"2\""));
}

TEST_F(ReproduceTest, WhatTheShortFormCannotShowIsNotJudged) {
  const reproduce::Outcome outcome{.name = "heights",
                                   .source = "a paper",
                                   .setup = "one epoch",
                                   .differs = "Shorter.",
                                   .findings = {{"grows", "2", "2.1", true},
                                                {"shrinks", "1", "2.1", false},
                                                {"after ten epochs", "3", "0.4", false, false},
                                                {"after twenty", "0.4", "0.4", true, false}}};
  std::ostringstream printed;
  reproduce::print(outcome, printed);
  EXPECT_THAT(printed.str(), HasSubstr("\n  1 of 2 claims held, 2 not judged; 0 s\n"));
  EXPECT_THAT(printed.str(), HasSubstr("\n  NOT HELD    shrinks\n"));
  EXPECT_THAT(printed.str(), HasSubstr("\n  not judged  after ten epochs\n"));
  reproduce::write_outcome(outcome, folder_.path());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "heights.png")) << "there is no chart";
  const auto json = nlohmann::json::parse(lab::read_whole(folder_ / "heights.json").value_or(""));
  EXPECT_EQ(json.at("findings")[1].at("held"), false);
  EXPECT_TRUE(json.at("findings")[2].at("held").is_null());
  EXPECT_TRUE(json.at("findings")[3].at("held").is_null());
  EXPECT_THAT(lab::read_whole(folder_ / "heights.md").value_or(""), HasSubstr("| not judged | after twenty | 0.4 "));
}

TEST_F(ReproduceTest, ListsItsExperimentsAndRefusesOthers) {
  const ProgramResult help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const std::string name : {"mean-field", "detach-norm", "learning-rate", "gn-batch-size", "sync-bn", "bn-figure1",
                                 "lenet-fashion", "pre-post-ln", "deepnorm", "qk-norm", "rmsnorm", "dyt",
                                 "batch-renorm", "ghost-batch", "frn", "ws-gn", "spectral", "--quick", "--tiny"}) {
    EXPECT_THAT(help.out, HasSubstr(name));
  }
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"cold-fusion"}, {}, {"all", "--jobs", "0"}}) {
    EXPECT_EQ(run(wrong).exit_code, 2);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
