// Tied parameters in safetensors files: stored once, with the other names in the metadata.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/linear.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;

struct TiedLm : Module {
  Embedding tok{4, 2};
  Linear out{2, 4, {.bias = false}};
  NORMGRAD_MEMBERS(TiedLm, tok, out)
  NORMGRAD_TIE(out.weight, tok.weight)
};

struct UntiedLm : Module {
  Embedding tok{4, 2};
  Linear out{2, 4, {.bias = false}};
  NORMGRAD_MEMBERS(UntiedLm, tok, out)
};

TEST(SafetensorsTiedTest, StoredOnceAndReadUnderEachName) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "tied.safetensors";
  const TiedLm model;
  save_safetensors(path, model, {{"format", "pt"}});
  const Safetensors file = load_safetensors(path);
  EXPECT_EQ(file.tensors.size(), 1U);
  EXPECT_EQ(file.metadata.at("out.weight"), "tok.weight");
  EXPECT_EQ(file.metadata.at("format"), "pt");
  const std::vector<double> values = model.tok.weight.to_vector<double>();
  TiedLm tied;
  load_safetensors(path, tied);
  EXPECT_EQ(tied.tok.weight.to_vector<double>(), values);
  EXPECT_TRUE(is_same(tied.tok.weight, tied.out.weight));
  UntiedLm untied;
  load_safetensors(path, untied);
  EXPECT_EQ(untied.out.weight.to_vector<double>(), values);
  EXPECT_FALSE(is_same(untied.tok.weight, untied.out.weight));
}

TEST(SafetensorsTiedTest, FilesOfOtherPrograms) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "one_name.safetensors";
  // Without the alias, or with metadata that happens to name a tensor.
  save_safetensors(path, StateDict{{"tok.weight", ones({4, 2})}}, {{"best", "tok.weight"}});
  TiedLm tied;
  load_safetensors(path, tied);
  EXPECT_EQ(tied.out.weight.to_vector<double>(), std::vector<double>(8, 1.0));
  UntiedLm untied;
  EXPECT_THAT(error_of<ValueError>([&] { load_safetensors(path, untied); }), HasSubstr("missing: out.weight"));
  EXPECT_THAT(error_of<ValueError>([&] {
                save_safetensors(path, tied, {{"out.weight", "mine"}});
              }),
              HasSubstr("has the name of a parameter that is tied to"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
