// Buffers that are not persistent: part of the module, but not of its state.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/support/raises.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/summary.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

/// `mask` is made by the constructor, `seen` is counted.
struct Masked : Module {
  Linear fc{3, 3};
  StateBuffer mask{tril(ones({3, 3})), {.persistent = false}};
  StateBuffer seen{zeros({1})};
  std::vector<StateBuffer> tables;
  NORMGRAD_MEMBERS(Masked, fc, mask, seen, tables)
  Masked() { tables.emplace_back(ones({2}), StateBufferOptions{.persistent = false}); }
  Tensor forward(const Tensor& x) override { return matmul(fc(x), mask); }
};

std::vector<std::string> names_of(const NamedTensors& named) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : named) {
    names.push_back(name);
  }
  return names;
}

std::vector<std::string> keys_of(const StateDict& state) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : state) {
    keys.push_back(key);
  }
  return keys;
}

TEST(StateBufferTest, IsListedButNotPartOfTheState) {
  const Masked model;
  EXPECT_THAT(names_of(model.named_buffers()), ElementsAre("mask", "seen", "tables.0"));
  EXPECT_THAT(keys_of(model.state_dict()), ElementsAre("fc.weight", "fc.bias", "seen"));
  EXPECT_FALSE(model.mask.is_persistent());
  EXPECT_TRUE(model.seen.is_persistent());
  EXPECT_TRUE(StateBuffer().is_persistent());
  // Inside of another model, and in the bytes of its summary: 9 + 3 + 9 + 1 + 2 numbers.
  Sequential outer(Masked{});
  EXPECT_EQ(outer.buffers().size(), 3U);
  EXPECT_THAT(keys_of(outer.state_dict()), ElementsAre("0.fc.weight", "0.fc.bias", "0.seen"));
  EXPECT_EQ(summary(outer, {1, 3}).parameter_bytes, 24 * 4);
}

TEST(StateBufferTest, AStateNeitherNeedsNorHasIt) {
  Masked from;
  from.seen.fill_(5.0);
  from.mask.fill_(7.0);
  Masked into;
  const LoadReport report = into.load_state_dict(from.state_dict());
  EXPECT_TRUE(report.missing_keys.empty());
  EXPECT_TRUE(report.unexpected_keys.empty());
  EXPECT_EQ(into.seen.item(), 5.0);
  EXPECT_EQ(into.mask.to_vector<double>(), Masked().mask.to_vector<double>());
  // As in PyTorch, one in the state is unexpected.
  StateDict state = from.state_dict();
  state["mask"] = from.mask.detach();
  EXPECT_THAT(error_of<ValueError>([&] { into.load_state_dict(state); }), HasSubstr("unexpected: mask"));
  EXPECT_THAT(into.load_state_dict(state, {.strict = false}).unexpected_keys, ElementsAre("mask"));
  EXPECT_EQ(into.mask.to_vector<double>(), Masked().mask.to_vector<double>());
}

TEST(StateBufferTest, IsConvertedAndCopiedWithTheModule) {
  Masked model;
  const Tensor held = model.mask;
  model.to(kFloat64);
  EXPECT_EQ(model.mask.dtype(), kFloat64);
  EXPECT_EQ(held.dtype(), kFloat64);
  EXPECT_EQ(model(ones({2, 3}, {.dtype = kFloat64})).shape(), (Shape{2, 3}));
  model.mask.fill_(2.0);
  const Masked copy = model;
  EXPECT_EQ(copy.mask.to_vector<double>(), model.mask.to_vector<double>());
  EXPECT_FALSE(is_same(copy.mask, model.mask));
  EXPECT_FALSE(copy.mask.is_persistent());
  const AnyModule cloned(copy.clone());
  EXPECT_FALSE(cloned.as<Masked>()->mask.is_persistent());
  EXPECT_FALSE(cloned.as<Masked>()->tables[0].is_persistent());
  const Masked moved = std::move(model);
  EXPECT_TRUE(is_same(moved.mask, held));
  EXPECT_FALSE(moved.mask.is_persistent());
}

TEST(StateBufferTest, AssignmentKeepsTheSettingOfADefinedOne) {
  Masked model;
  const Tensor held = model.mask;
  model.mask = StateBuffer(full({3, 3}, 4.0));
  EXPECT_TRUE(is_same(model.mask, held));
  EXPECT_EQ(held.to_vector<double>(), std::vector<double>(9, 4.0));
  EXPECT_FALSE(model.mask.is_persistent());
  const StateBuffer persistent(full({3, 3}, 5.0));
  model.mask = persistent;
  EXPECT_FALSE(model.mask.is_persistent());
  model.seen = model.mask;
  EXPECT_TRUE(model.seen.is_persistent());
  EXPECT_EQ(model.seen.shape(), (Shape{3, 3}));
  model = Masked();
  EXPECT_FALSE(model.mask.is_persistent());
  EXPECT_TRUE(model.seen.is_persistent());
  // An undefined one has no setting of its own.
  StateBuffer late;
  late = model.mask;
  EXPECT_FALSE(late.is_persistent());
  late = StateBuffer();
  EXPECT_FALSE(late.defined());
  late = persistent;
  EXPECT_TRUE(late.is_persistent());
  StateBuffer made;
  made = StateBuffer(ones({2}), {.persistent = false});
  EXPECT_FALSE(made.is_persistent());
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
