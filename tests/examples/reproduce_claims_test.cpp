// The statistics and criteria of reproduce on made-up numbers, and a tiny form of the claims about newer norms.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <nlohmann/json.hpp>

#include "lab/files.hpp"
#include "lab/reproduce/grid.hpp"
#include "lab/reproduce/transformer.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using reproduce::Grid;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ReproduceGridTest, NumbersBelongToTheirSetupAndSeed) {
  const Grid grid({{1, 10}, {2, 20}, {3, 30}, {5, 50}, {8, 80}, {7, 70}}, 3);
  EXPECT_EQ(grid.setups(), 2U);
  EXPECT_THAT(grid.of(0), ElementsAre(1, 2, 3));
  EXPECT_THAT(grid.of(1, 1), ElementsAre(50, 80, 70));
  EXPECT_EQ(grid.estimate(1).value, 7.0);
  // Seed by seed 4, 6 and 4; the medians differ by 5.
  EXPECT_EQ(grid.difference(1, 0).value, 4.0);
  EXPECT_EQ(grid.difference(0, 1, 1).value, -40.0);
  EXPECT_EQ(grid.difference(1, 0).count, 3);
  EXPECT_THAT(reproduce::row_of(grid, 0, "first", {1, 0}).cells,
              ElementsAre("first", "2.0 (1.0 to 3.0)", "20 (10 to 30)"));
  const lab::Series series = reproduce::series_of(grid, "line", {0.1, 0.2}, 0, 1);
  EXPECT_THAT(series.x, ElementsAre(0.1, 0.2));
  EXPECT_THAT(series.y, ElementsAre(20, 70));
  EXPECT_THAT(series.low, ElementsAre(10, 50));
  EXPECT_THAT(series.high, ElementsAre(30, 80));
  EXPECT_EQ(tests::error_of<ValueError>([] {
              Grid({{1}, {2}, {3}}, 2);
            }),
            "Grid: expected a result for each of 2 seeds of each set-up but got 3");
}

TEST(ReproduceGridTest, AVerdictNeedsTheWholeInterval) {
  const lab::Estimate estimate{.value = 0.5, .low = 0.1, .high = 0.9, .count = 3};
  EXPECT_TRUE(reproduce::is_above(estimate));
  EXPECT_FALSE(reproduce::is_above(estimate, 0.1));
  EXPECT_TRUE(reproduce::is_above({.value = 0.0, .low = -0.009, .high = 0.3}, -0.01));
  EXPECT_FALSE(reproduce::is_above({.value = 0.2, .low = -0.011, .high = 0.3}, -0.01));
  EXPECT_TRUE(reproduce::is_near(estimate, 0.5, 0.41));
  EXPECT_FALSE(reproduce::is_near(estimate, 0.5, 0.39));
  EXPECT_FALSE(reproduce::is_near(estimate, 0.4, 0.41));  // 0.9 is too high
}

TEST(ReproduceGridTest, RatesAndPowers) {
  const std::vector<double> rates = {0.1, 0.2, 0.4, 0.8};
  EXPECT_EQ(reproduce::highest_rate(rates, {0.9, 0.5, 0.4, 0.1}, 0.5), 0.2);
  EXPECT_EQ(reproduce::highest_rate(rates, {0.9, 0.4, 0.6, 0.1}, 0.5), 0.4);
  EXPECT_EQ(reproduce::highest_rate(rates, {0.1, 0.1, 0.1, 0.1}, 0.5), 0.0);
  // Losses 1, 0.5, 3 and 100 of a model that starts at 2: (0.5 + 0 + 1.5 + 1.5) / 4.
  EXPECT_DOUBLE_EQ(reproduce::rate_sensitivity({1.0, 0.5, 3.0, 100.0}, 2.0), 0.875);
  EXPECT_DOUBLE_EQ(reproduce::rate_sensitivity({5.0, 3.0}, 2.0), 0.0);  // never better than at the start
  EXPECT_NEAR(reproduce::exponent({1, 2, 4, 8}, {3, 12, 48, 192}), 2.0, 1e-12);
  EXPECT_NEAR(reproduce::exponent({4, 16, 64}, {5, 2.5, 1.25}), -0.5, 1e-12);
  EXPECT_THAT(reproduce::paired_difference({3, 5}, {1, 9}), ElementsAre(2, -4));
  EXPECT_EQ(tests::error_of<ValueError>([] {
              reproduce::paired_difference({1, 2}, {1});
            }),
            "paired_difference: expected as many values but got 2 and 1");
  EXPECT_EQ(tests::error_of<ValueError>([] { reproduce::exponent({1}, {1}); }),
            "exponent: expected at least two points but got 1 and 1 coordinates");
}

TEST(ReproduceGridTest, EnergyDistanceIsThatOfItsDefinition) {
  const Tensor left = zeros({5, 2});
  const Tensor right = ones({7, 2}) * 3.0;
  EXPECT_NEAR(reproduce::energy_distance(left, right), 1.0, 1e-12);
  manual_seed(1);
  const Tensor x = randn({40, 3}, {.dtype = kFloat64});
  const Tensor y = randn({30, 3}, {.dtype = kFloat64}) + 0.5;
  const auto mean = [](const Tensor& a, const Tensor& b) { return cdist(a, b).mean().item(); };
  // The roots of the zeros on the diagonals are up to the root of the rounding, 1e-8, of one distance in 30.
  EXPECT_NEAR(reproduce::energy_distance(x, y), 1.0 - (mean(x, x) + mean(y, y)) / (2.0 * mean(x, y)), 1e-8);
  EXPECT_NEAR(reproduce::energy_distance(x, x), 0.0, 1e-12);
}

TEST(ReproducePartsTest, TheMeanOverPartsIsTheGradientOfTheBatch) {
  const compare_norms::Data data = reproduce::few_images("digits", 200, 10);
  EXPECT_EQ(data.images.train.size(), 200);
  EXPECT_EQ(data.images.test.size(), 10);
  const Batch batch = compare_norms::BatchStream(data.images.train, 24, 1).next();
  const std::vector<Batch> parts = reproduce::parts_of(batch, 8);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[2].labels.to_vector<std::int64_t>(), batch.labels.narrow(0, 16, 8).to_vector<std::int64_t>());
  std::vector<Sequential> nets;
  for (const std::vector<Batch>& given : {std::vector<Batch>{batch}, parts}) {
    manual_seed(3);
    nets.push_back(reproduce::small_connected_net("layer", data));
    SGD optimizer(nets.back().parameters(), {.lr = 1.0});
    reproduce::step_in_parts(nets.back(), optimizer, given);
  }
  for (std::size_t i = 0; i < nets[0].parameters().size(); ++i) {
    // Sums of 24 terms of float32, in another order.
    EXPECT_LE((nets[0].parameters()[i] - nets[1].parameters()[i]).abs().max().item(), 24 * 6e-8) << i;
  }
}

TEST(ReproducePartsTest, TransformersHaveTheirBlocksAndNorms) {
  const compare_norms::Data data = reproduce::few_images("digits", 100, 10);
  const auto keys = [&](const reproduce::TransformerSpec& spec) {
    std::string text;
    for (const auto& [name, tensor] : reproduce::small_transformer(spec, data).named_parameters()) {
      text += name + " ";
    }
    return text;
  };
  EXPECT_THAT(keys({.layers = 2, .placement = "pre"}), HasSubstr(" norm.weight norm.bias fc.weight"));
  EXPECT_THAT(keys({.layers = 2, .placement = "post"}), testing::Not(HasSubstr(" norm.weight")));
  EXPECT_THAT(keys({.layers = 3, .placement = "deepnorm"}), HasSubstr(" block3.norm2.weight"));
  EXPECT_THAT(keys({.layers = 1, .qk_norm = true}), HasSubstr("q_norm.weight"));
  // Xavier's deviation for 8 * 16 rows of 16: sqrt(2 / (16 + 16)) of each of the three matrices.
  manual_seed(1);
  Sequential net = reproduce::small_transformer({.layers = 1, .width = 64, .xavier = true}, data);
  for (const auto& [name, tensor] : net.named_parameters()) {
    if (name == "block1.self_attn.in_proj_weight") {
      EXPECT_NEAR(tensor.square().mean().sqrt().item(), std::sqrt(2.0 / 128.0), 0.005);
    }
  }
}

class ReproduceClaimTest : public testing::TestWithParam<const char*> {};

TEST_P(ReproduceClaimTest, RunsInATinyForm) {
  const tests::TemporaryFolder folder;
  const std::string name = GetParam();
  const tests::ProgramResult result = tests::run_program({NORMGRAD_BINARY_DIR "/examples/reproduce", name, "--tiny",
                                                          "--data", "digits", "--out", (folder / "out").string()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(lab::read_whole(folder / "out" / (name + ".json")).value_or(""));
  EXPECT_EQ(json.at("name"), name);
  ASSERT_GE(json.at("findings").size(), 2U);
  for (const auto& finding : json.at("findings")) {
    for (const char* part : {"claim", "published", "measured"}) {
      EXPECT_NE(finding.at(part), "") << finding;
    }
    const std::string measured = finding.at("measured");
    EXPECT_THAT(measured, testing::ContainsRegex("[0-9]"));
    EXPECT_THAT(measured, testing::Not(HasSubstr("nan")));
    EXPECT_TRUE(finding.at("held").is_null()) << "a few steps show nothing";
  }
  for (const char* part : {"source", "setup", "differs"}) {
    EXPECT_NE(json.at(part), "");
  }
  const std::string page = lab::read_whole(folder / "out" / (name + ".md")).value_or("");
  EXPECT_THAT(page, HasSubstr("|  | the paper says | its number | measured here |"));
  EXPECT_THAT(page, HasSubstr("After training:\n\n| "));
  const bool has_figure = std::filesystem::exists(folder / "out" / (name + ".png"));
  EXPECT_EQ(has_figure, page.find("![" + name + "](") != std::string::npos);
  EXPECT_EQ(has_figure, name == "pre-post-ln" || name == "deepnorm" || name == "qk-norm" || name == "frn");
  // As many cells in each row as in its header.
  std::istringstream lines(page);
  std::ptrdiff_t columns = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::ptrdiff_t bars = std::count(line.begin(), line.end(), '|');
    EXPECT_TRUE(bars == 0 || columns == 0 || bars == columns) << line;
    columns = bars;
  }
}

INSTANTIATE_TEST_SUITE_P(Newer, ReproduceClaimTest,
                         testing::Values("pre-post-ln", "deepnorm", "qk-norm", "rmsnorm", "dyt", "batch-renorm",
                                         "ghost-batch", "frn", "ws-gn", "spectral"),
                         [](const auto& claim) {
                           std::string name = claim.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
