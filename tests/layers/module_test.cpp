#include "normgrad/layers/module/module.hpp"
#include "normgrad/layers/module/any_module.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/activation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;

std::vector<std::string> names_of(const NamedTensors& named) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : named) {
    names.push_back(name);
  }
  return names;
}

// Returns its input. Throws for inputs without `size` elements.
class Picky : public Module {
 public:
  explicit Picky(std::int64_t size) : size_(size), scale(Tensor::empty({size})), seen(Tensor::empty({}, kInt64)) {
    const NoGradGuard no_grad;
    scale.fill_(2.0);
    seen.fill_(0.0);
  }
  NORMGRAD_MEMBERS(Picky, scale, seen)
  Tensor forward(const Tensor& x) override {
    require<ShapeError>(x.numel() == size_, "expected ", size_, " elements but got ", x.shape());
    return x;
  }

 private:
  std::int64_t size_;

 public:
  Parameter scale;
  StateBuffer seen;
};

class Block : public Module {
 public:
  explicit Block(std::int64_t size) : first(2), second(size) {}
  NORMGRAD_MEMBERS(Block, first, second)
  Tensor forward(const Tensor& x) override { return second(first(x)); }
  Picky first;
  Picky second;
};

class Model : public Module {
 public:
  Model() { blocks.emplace_back(2), blocks.emplace_back(3); }
  NORMGRAD_MEMBERS(Model, stem, blocks, head, tail)
  Tensor forward(const Tensor& x) override {
    Tensor y = stem(x);
    for (Block& block : blocks) {
      y = block(y);
    }
    return y;
  }
  Picky stem{2};
  std::vector<Block> blocks;
  AnyModule head = Picky(2);
  std::optional<Picky> tail;
};

TEST(ModuleTest, NamesFollowTheMembers) {
  Model model;
  EXPECT_THAT(names_of(model.named_parameters()),
              ElementsAre("stem.scale", "blocks.0.first.scale", "blocks.0.second.scale", "blocks.1.first.scale",
                          "blocks.1.second.scale", "head.scale"));
  EXPECT_EQ(names_of(model.named_buffers()).back(), "head.seen");
  std::vector<std::string> modules;
  for (const auto& [name, module] : model.named_modules()) {
    modules.push_back(name);
  }
  EXPECT_THAT(modules, ElementsAre("", "stem", "blocks.0", "blocks.0.first", "blocks.0.second", "blocks.1",
                                   "blocks.1.first", "blocks.1.second", "head"));
  EXPECT_EQ(model.named_children().size(), 4U);
  EXPECT_EQ(model.num_parameters(), 2 + 2 + 2 + 2 + 3 + 2);
  model.tail.emplace(5);
  EXPECT_EQ(names_of(model.named_parameters()).back(), "tail.scale");
}

TEST(ModuleTest, ParametersAreHandles) {
  Picky picky(2);
  picky.parameters()[0].set_grad(Tensor::empty({2}));
  EXPECT_TRUE(picky.scale.grad().defined());
  picky.zero_grad();
  EXPECT_FALSE(picky.scale.grad().defined());
}

TEST(ModuleErrorTest, SaysWhichModuleByItsFullName) {
  Model model;
  const Tensor x = Tensor::empty({2});
  EXPECT_EQ(error_of<Error>([&] { model(x); }), "Picky 'blocks.1.second': expected 3 elements but got [2]");
  EXPECT_EQ(error_of<Error>([&] { model(Tensor::empty({4})); }), "Picky 'stem': expected 2 elements but got [4]");
}

TEST(ModuleErrorTest, AModuleAloneGivesItsTypeOnly) {
  Picky picky(2);
  EXPECT_EQ(error_of<Error>([&] { picky(Tensor::empty({4})); }), "Picky: expected 2 elements but got [4]");
}

TEST(ModuleErrorTest, KeepsTheTypeAndTheText) {
  Model model;
  try {
    model(Tensor::empty({2}));
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.message(), "expected 3 elements but got [2]");
    EXPECT_EQ(error.module_type(), "Picky");
    EXPECT_EQ(error.module_path(), "blocks.1.second");
  }
}

TEST(ModuleErrorTest, PathsAreRightAfterCopiesAndMoves) {
  Model model;
  const std::string expected = "Picky 'blocks.1.second': expected 3 elements but got [2]";
  Model copy = model;
  EXPECT_EQ(error_of<Error>([&] { copy(Tensor::empty({2})); }), expected);
  Model moved = std::move(model);
  EXPECT_EQ(error_of<Error>([&] { moved(Tensor::empty({2})); }), expected);
  std::unique_ptr<Module> cloned = moved.clone();
  EXPECT_EQ(error_of<Error>([&] { (*cloned)(Tensor::empty({2})); }), expected);
  Sequential outer(std::move(moved));
  EXPECT_EQ(error_of<Error>([&] { outer(Tensor::empty({2})); }),
            "Picky '0.blocks.1.second': expected 3 elements but got [2]");
}

struct Shortcut : Module {
  Block inner{2};
  NORMGRAD_MEMBERS(Shortcut, inner)
  Tensor forward(const Tensor& x) override { return inner.second(x); }
};

TEST(ModuleErrorTest, FindsGrandchildrenThatWereCalledDirectly) {
  Shortcut model;
  EXPECT_EQ(error_of<Error>([&] { model(Tensor::empty({4})); }),
            "Picky 'inner.second': expected 2 elements but got [4]");
}

struct SaysItsName : Module {
  NORMGRAD_MEMBERS(SaysItsName)
  Tensor forward(const Tensor&) override { fail<ValueError>("SaysItsName: expected something else"); }
};

TEST(ModuleErrorTest, ANameThatIsThereAlreadyIsNotRepeated) {
  Sequential model(SaysItsName{});
  EXPECT_EQ(error_of<Error>([&] { model(Tensor::empty({1})); }), "SaysItsName '0': expected something else");
  EXPECT_EQ(error_of<Error>([] { SaysItsName().forward(Tensor()); }), "SaysItsName: expected something else");
}

// A model with two inputs and two results.
struct Siamese : Module {
  Picky left{2};
  Picky right{3};
  NORMGRAD_MEMBERS(Siamese, left, right)
  NORMGRAD_CALL_FORWARD()
  std::pair<Tensor, Tensor> forward(const Tensor& a, const Tensor& b) { return {left(a), right(b)}; }
};

TEST(ModuleErrorTest, ModelsWithAForwardOfTheirOwnGivePaths) {
  Siamese model;
  const Tensor two = Tensor::empty({2});
  EXPECT_EQ(error_of<ShapeError>([&] { model(two, two); }), "Picky 'right': expected 3 elements but got [2]");
  EXPECT_TRUE(is_same(model(two, Tensor::empty({3})).first, two));
}

TEST(ModuleTest, ClassesInsideOfFunctionsAreModulesToo) {
  struct Local : Module {
    Picky inner{2};
    NORMGRAD_MEMBERS(Local, inner)
    Tensor forward(const Tensor& x) override { return inner(x); }
  };
  Local model;
  EXPECT_EQ(error_of<ShapeError>([&] { model(Tensor::empty({4})); }), "Picky 'inner': expected 2 elements but got [4]");
}

struct WithoutForward : Module {
  NORMGRAD_MEMBERS(WithoutForward)
};

TEST(ModuleErrorTest, AModuleWithoutForwardSaysSo) {
  WithoutForward module;
  EXPECT_THAT(error_of<Error>([&] { module(Tensor::empty({1})); }),
              HasSubstr("WithoutForward: forward(x) is not defined"));
}

TEST(ModuleTest, CopiesShareNothing) {
  Picky picky(2);
  Picky copy = picky;
  std::unique_ptr<Module> cloned = picky.clone();
  const NoGradGuard no_grad;
  picky.scale.fill_(7.0);
  picky.seen.fill_(7.0);
  EXPECT_EQ(copy.scale.to_vector<double>(), (std::vector{2.0, 2.0}));
  EXPECT_EQ(copy.seen.item(), 0.0);
  EXPECT_EQ(cloned->parameters()[0].to_vector<double>(), (std::vector{2.0, 2.0}));
  EXPECT_TRUE(copy.scale.requires_grad());
  picky.requires_grad_(false);
  EXPECT_TRUE(copy.scale.requires_grad());
  EXPECT_FALSE(Picky(picky).scale.requires_grad());
}

TEST(ModuleTest, AssignmentMakesMemoryOfItsOwn) {
  Picky a(2);
  Picky b(2);
  const NoGradGuard no_grad;
  a.scale.fill_(5.0);
  b = a;
  a.scale.fill_(6.0);
  EXPECT_EQ(b.scale.to_vector<double>(), (std::vector{5.0, 5.0}));
}

TEST(ModuleTest, MovesKeepTheHandles) {
  Picky picky(2);
  const Tensor handle = picky.scale;
  const Picky moved = std::move(picky);
  EXPECT_TRUE(is_same(handle, moved.scale));
}

TEST(ModuleTest, AnyModuleCopiesItsModule) {
  AnyModule a = Picky(2);
  AnyModule b = a;
  EXPECT_NE(&a.get(), &b.get());
  const NoGradGuard no_grad;
  a->parameters()[0].fill_(9.0);
  EXPECT_EQ(b->parameters()[0].to_vector<double>(), (std::vector{2.0, 2.0}));
  EXPECT_NE(a.as<Picky>(), nullptr);
  EXPECT_EQ(a.as<Block>(), nullptr);
  EXPECT_THROW(AnyModule()(Tensor::empty({1})), ValueError);
}

TEST(ModuleTest, TrainAndEvalReachAllAndTouchNothingElse) {
  Model model;
  model.blocks[0].first.scale.requires_grad_(false);
  EXPECT_TRUE(model.is_training());
  model.eval();
  for (const auto& [name, module] : model.named_modules()) {
    EXPECT_FALSE(module->is_training()) << name;
  }
  EXPECT_FALSE(Model(model).blocks[1].second.is_training());
  model.train();
  EXPECT_TRUE(model.blocks[1].second.is_training());
  EXPECT_FALSE(model.blocks[0].first.scale.requires_grad());
  EXPECT_TRUE(model.blocks[0].second.scale.requires_grad());
}

TEST(StateDictTest, KeepsTheOrderOfTheMembers) {
  Picky picky(2);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : picky.state_dict()) {
    names.push_back(name);
    EXPECT_FALSE(tensor.requires_grad());
  }
  EXPECT_THAT(names, ElementsAre("scale", "seen"));

  StateDict state = {{"z", Tensor()}, {"a", Tensor()}, {"m", Tensor()}};
  EXPECT_TRUE(state.erase("z"));
  EXPECT_FALSE(state.erase("z"));
  EXPECT_EQ(state.begin()->first, "a");
  EXPECT_EQ(state.find("m") - state.begin(), 1);
  EXPECT_EQ(error_of<Error>([&] { state.at("q"); }),
            "StateDict: there is no entry 'q'; the names nearest to it are 'a', 'm'");
}

TEST(StateDictTest, EntriesStayWhereTheyAre) {
  StateDict state;
  state["old"] = full({2}, 3);
  Tensor& old = state["old"];
  for (int i = 0; i < 100; ++i) {
    state["new" + std::to_string(i)] = state["old"];  // the right side is evaluated first
  }
  old = full({2}, 4);
  EXPECT_THAT(state.at("old").to_vector<double>(), ElementsAre(4, 4));
  EXPECT_THAT(state.at("new99").to_vector<double>(), ElementsAre(3, 3));
  EXPECT_THAT(error_of<ValueError>([&] { std::move(state)["odl"] = full({2}, 5); }), HasSubstr("'odl'"));
}

TEST(StateDictTest, RoundTrip) {
  Block from(3);
  Block into(3);
  {
    const NoGradGuard no_grad;
    double value = 10.0;
    for (Tensor& tensor : from.parameters()) {
      tensor.fill_(value++);
    }
    from.first.seen.fill_(5.0);
  }
  const Tensor handle = into.second.scale;
  const LoadReport report = into.load_state_dict(from.state_dict());
  EXPECT_TRUE(report.missing_keys.empty() && report.unexpected_keys.empty());
  EXPECT_EQ(into.first.scale.to_vector<double>(), (std::vector{10.0, 10.0}));
  EXPECT_EQ(handle.to_vector<double>(), (std::vector{11.0, 11.0, 11.0}));
  EXPECT_EQ(into.first.seen.item(), 5.0);
  EXPECT_TRUE(into.second.scale.requires_grad());
}

TEST(StateDictTest, NothingIsLoadedUnlessAllFits) {
  Block from(3);
  {
    const NoGradGuard no_grad;
    from.first.scale.fill_(50.0);
  }
  Block into(3);
  StateDict state = from.state_dict();
  state.erase("first.seen");
  state["extra"] = Tensor::empty({1});
  state["second.scale"] = Tensor::empty({2, 2});
  const std::string text = error_of<Error>([&] { into.load_state_dict(state); });
  EXPECT_EQ(text,
            "Block: load_state_dict: the state does not fit; nothing was loaded\n"
            "  of another shape: second.scale: expected [3] but got [2, 2]\n"
            "  missing: first.seen\n"
            "  unexpected: extra");
  EXPECT_EQ(into.first.scale.to_vector<double>(), (std::vector{2.0, 2.0}));
  EXPECT_THROW(into.load_state_dict(state, {.strict = false}), ValueError);  // the shape still does not fit

  state["second.scale"] = from.second.scale;
  const LoadReport report = into.load_state_dict(state, {.strict = false});
  EXPECT_THAT(report.missing_keys, ElementsAre("first.seen"));
  EXPECT_THAT(report.unexpected_keys, ElementsAre("extra"));
  EXPECT_EQ(into.first.scale.to_vector<double>(), (std::vector{50.0, 50.0}));
}

struct Printed : Module {
  Parameter shift{Tensor::empty({1})};
  Linear fc1{784, 100};
  Sequential rest{{{"act", ReLU()}, {"out", Linear(100, 10, {.bias = false})}}};
  NORMGRAD_MEMBERS(Printed, shift, fc1, rest)
};

TEST(ModulePrintTest, TreeWithShapesAndCounts) {
  const Printed model;
  EXPECT_EQ(to_string(model),
            "Printed(\n"
            "  (shift): Parameter  [1]  1 parameter\n"
            "  (fc1): Linear(in_features=784, out_features=100, bias=true)  [100x784, 100]  78,500 parameters\n"
            "  (rest): Sequential(\n"
            "    (act): ReLU()\n"
            "    (out): Linear(in_features=100, out_features=10, bias=false)  [10x100]  1,000 parameters\n"
            "  )\n"
            ")  total 79,501 parameters");
  EXPECT_EQ(to_string(Linear(2, 3)), "Linear(in_features=2, out_features=3, bias=true)  [3x2, 3]  9 parameters");
  EXPECT_EQ(to_string(Linear(1000, 1000, {.bias = false})),
            "Linear(in_features=1000, out_features=1000, bias=false)  [1000x1000]  1,000,000 parameters");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
