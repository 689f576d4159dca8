#include "lab/atlas/atlas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace atlas {
namespace NORMGRAD_TEST_FILE {

using namespace normgrad;

const std::vector<Entry>& measured() {
  static const std::vector<Entry> entries = [] {
    Generator generator(1);
    return measure_all(randn({3, 1, 8, 8}, {}, &generator));
  }();
  return entries;
}

const Entry& entry(const std::string& name) {
  return *std::find_if(measured().begin(), measured().end(), [&](const Entry& e) { return e.name == name; });
}

TEST(AtlasTest, EveryNormHasAnEntryAndAFormula) {
  ASSERT_EQ(measured().size(), norm_names().size());
  for (const std::string& name : norm_names()) {
    EXPECT_FALSE(formula_of(name).empty());
  }
  EXPECT_THROW(formula_of("no such norm"), ValueError);
}

TEST(AtlasTest, ElementsThatShareAStatistic) {
  // Of 2 samples, 4 channels and 9 pixels.
  const std::map<std::string, std::int64_t> expected = {
      {"none", 1}, {"batch", 2 * 9}, {"layer", 4 * 9}, {"instance", 9}, {"group", 2 * 9}, {"rms", 4 * 9},
      {"dyt", 1},  {"scale", 4},     {"l2", 4},        {"grn", 4 * 9},  {"frn", 9},       {"evo-s0", 9},
      {"pono", 4}, {"bin", 2 * 9},   {"mobn", 2 * 9},  {"pixel", 4},    {"lrn", 4}};
  for (const auto& [name, count] : expected) {
    const std::vector<bool>& shared = entry(name).shared;
    EXPECT_EQ(std::count(shared.begin(), shared.end(), true), count) << name;
    EXPECT_TRUE(shared[kTarget]) << name;
  }
  const std::vector<bool>& frozen = entry("batch").shared_eval;
  EXPECT_EQ(std::count(frozen.begin(), frozen.end(), true), 1);
  EXPECT_EQ(entry("layer").shared_eval, entry("layer").shared);
  const std::vector<bool>& of_sample = entry("bin").shared_eval;
  EXPECT_EQ(std::count(of_sample.begin(), of_sample.end(), true), 9);
  // The running matrix mixes the channels of a position.
  const std::vector<bool>& mixed = entry("iter").shared_eval;
  EXPECT_EQ(std::count(mixed.begin(), mixed.end(), true), 4);
}

TEST(AtlasTest, ImagesAreNotThoseOfFirstValuesThatHideTheFormula) {
  EXPECT_NE(entry("bin").images, entry("batch").images);
}

TEST(AtlasTest, DirectionsThatTheGradientDoesNotSee) {
  // Shift and scale of each set; the root mean square alone of each sample of rms.
  const std::map<std::string, std::int64_t> expected = {
      {"none", 0},     {"batch", 2 * 4}, {"layer", 2 * 2}, {"instance", 2 * 8}, {"group", 2 * 4},
      {"rms", 2},      {"dyt", 0},       {"scale", 2 * 9}, {"l2", 2 * 9},       {"prms", 2 * 9},
      {"grn", 0},      {"frn", 8},       {"evo-b0", 4},    {"evo-s0", 0},       {"pono", 2 * 2 * 9},
      {"divisive", 0}, {"bin", 2 * 4},   {"mobn", 4},      {"pixel", 2 * 9},    {"lrn", 0}};
  for (const auto& [name, count] : expected) {
    EXPECT_EQ(entry(name).null_directions, count) << name;
  }
}

TEST(AtlasTest, WhatANormIgnores) {
  EXPECT_TRUE(entry("batch").invariances.shift_of_channels);
  EXPECT_TRUE(entry("batch").invariances.scale_of_channels);
  EXPECT_FALSE(entry("batch").invariances.shift_of_samples);
  EXPECT_TRUE(entry("layer").invariances.shift_of_samples);
  EXPECT_FALSE(entry("layer").invariances.shift_of_channels);
  EXPECT_FALSE(entry("rms").invariances.shift_of_all);
  EXPECT_TRUE(entry("rms").invariances.scale_of_samples);
  EXPECT_FALSE(entry("none").invariances.scale_of_all);
}

TEST(AtlasTest, ABitmapHasThePixelsOfTheImages) {
  // 2x1 pixels: black and white; 2 bytes fill up each row.
  const Tensor image = from_vector<float>({-2.5F, 2.5F}, {1, 1, 1, 2});
  const std::string uri = bitmap_uri(image);
  EXPECT_TRUE(uri.starts_with("data:image/bmp;base64,Qk0"));
  EXPECT_TRUE(uri.ends_with("AAD/AAA=")) << uri.substr(uri.size() - 20);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace atlas
