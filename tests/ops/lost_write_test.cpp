// Assignments and in-place changes of temporaries: each writes into the tensor, or is an error.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/parameter_list.hpp"
#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::numbers;

using Values = std::vector<double>;

// What cannot be written to does not compile.
template <class T>
constexpr bool kAssignable = std::is_assignable_v<T, const Tensor&>;
static_assert(!kAssignable<decltype(std::declval<Tensor&>().t())> &&
              !kAssignable<decltype(std::declval<Tensor&>().permute({0}))> &&
              !kAssignable<decltype(std::declval<Tensor&>().transpose(0, 1))> &&
              !kAssignable<decltype(std::declval<Tensor&>().expand({1}))> &&
              !kAssignable<decltype(std::declval<Tensor&>().index({0}))> &&
              !kAssignable<decltype(index(std::declval<Tensor&>(), {0}))> &&
              !kAssignable<decltype(std::declval<const Tensor&>()[0])> &&
              !kAssignable<decltype(std::declval<const TensorList&>()[0])>);

struct Case {
  const char* name;
  std::function<void(Tensor& x)> write;
  Values expected;  // of x, which was [[1, 2], [3, 4]]; none: a ValueError
};

std::vector<Case> cases() {
  const Tensor row = tensor({7.0, 8});
  const Tensor column = tensor({{7.0}, {8}});
  const Values first = {7, 8, 3, 4};
  const Values second = {1, 2, 7, 8};
  const Values zeros_first = {0, 0, 3, 4};
  return {
      {"element", [=](Tensor& x) { x[0] = row; }, first},
      {"select", [=](Tensor& x) { x.select(0, 1) = row; }, second},
      {"select_function", [=](Tensor& x) { select(x, 0, 1) = row; }, second},
      {"select_function_number", [=](Tensor& x) { select(x, 0, 0) = 0.0; }, zeros_first},
      {"narrow_function", [=](Tensor& x) { narrow(x, 0, 1, 1) = row; }, second},
      {"slice_function", [=](Tensor& x) { slice(x, 0, 1, {}) = row; }, second},
      {"reshape_function",
       [=](Tensor& x) {
         reshape(x, {4}) = tensor({7.0, 8, 3, 4});
       },
       first},
      {"flatten_function", [=](Tensor& x) { flatten(x)[0] = 7.0; }, {7, 2, 3, 4}},
      {"unsqueeze_function", [=](Tensor& x) { unsqueeze(x, 0)[0][1] = row; }, second},
      {"squeeze_function", [=](Tensor& x) { squeeze(narrow(x, 0, 0, 1)) = row; }, first},
      {"view", [=](Tensor& x) { x.view({4}).slice(0, 2) = row; }, second},
      {"detach", [=](Tensor& x) { x.detach()[1] = row; }, second},
      {"split", [=](Tensor& x) { x.split(1)[0] = row; }, first},
      {"split_number", [=](Tensor& x) { x.split(1)[0] = 0.0; }, zeros_first},
      {"split_sizes",
       [=](Tensor& x) {
         x.split(std::vector<std::int64_t>{1, 1})[1] = row;
       },
       second},
      {"split_in_place", [=](Tensor& x) { x.split(1)[0].mul_(0.0); }, zeros_first},
      {"split_element", [=](Tensor& x) { x.split(1)[0][0][1] = 5.0; }, {1, 5, 3, 4}},
      {"split_of_view", [=](Tensor& x) { x.view({4}).split(2)[1] = row; }, second},
      {"split_at", [=](Tensor& x) { x.split(1).at(1) = row; }, second},
      {"split_front", [=](Tensor& x) { x.split(1).front() = row; }, first},
      {"split_back", [=](Tensor& x) { x.split(1).back() = row; }, second},
      {"split_function", [=](Tensor& x) { split(x, 1)[0] = row; }, first},
      {"chunk", [=](Tensor& x) { x.chunk(2)[1] = row; }, second},
      {"chunk_function", [=](Tensor& x) { chunk(x, 2)[0] = row; }, first},
      {"unbind", [=](Tensor& x) { x.unbind()[1] = row; }, second},
      {"unbind_function", [=](Tensor& x) { unbind(x)[0] = row; }, first},
      {"moved_list",
       [=](Tensor& x) {
         TensorList parts = x.split(1);
         std::move(parts)[0] = row;
       },
       first},
      {"state_dict",
       [=](Tensor& x) {
         const auto state = [&x] { return StateDict{{"x", x.detach()}}; };
         state()["x"] = tensor({{7.0, 8}, {3, 4}});
       },
       first},
      {"parameters_in_place",
       [=](Tensor& x) {
         const auto parameters = [&x] { return ParameterList({x}); };
         parameters()[0].copy_(tensor({{7.0, 8}, {3, 4}}));
       },
       first},
      // The value of such an expression may still be used.
      {"value_of_part", [=](Tensor& x) { x[0] = (x + x)[1].mul_(0.0); }, zeros_first},
      // Variables and kept elements refer to another tensor, as in Python.
      {"variable",
       [=](Tensor& x) {
         Tensor part = x[0];
         part = row;
       },
       {1, 2, 3, 4}},
      {"kept_list",
       [=](Tensor& x) {
         TensorList parts = x.split(1);
         parts[0] = row;
         parts.at(1) = row;
         parts.front() = row;
       },
       {1, 2, 3, 4}},
      // Copies, where PyTorch has views.
      {"select_1", [=](Tensor& x) { select(x, 1, 0) = row; }, {}},
      {"narrow_1", [=](Tensor& x) { narrow(x, 1, 0, 1) = column; }, {}},
      {"slice_1", [=](Tensor& x) { slice(x, 1, 0, 1).zero_(); }, {}},
      {"slice_step", [=](Tensor& x) { slice(x, 0, 0, 2, 2) = row; }, {}},
      {"split_1", [=](Tensor& x) { x.split(1, 1)[0] = column; }, {}},
      {"split_1_in_place", [=](Tensor& x) { x.split(1, 1)[0].zero_(); }, {}},
      {"chunk_1", [=](Tensor& x) { x.chunk(2, 1)[0] = 0.0; }, {}},
      {"unbind_1", [=](Tensor& x) { x.unbind(1)[0] = row; }, {}},
      {"unbind_1_in_place", [=](Tensor& x) { x.unbind(1)[0].add_(row); }, {}},
      {"unbind_1_part", [=](Tensor& x) { x.unbind(1)[0][0] = 1.0; }, {}},
      {"permute_function",
       [=](Tensor& x) {
         permute(x, {1, 0}) = x;
       },
       {}},
      {"permute_function_in_place",
       [=](Tensor& x) {
         permute(x, {1, 0}).zero_();
       },
       {}},
      {"transpose_function", [=](Tensor& x) { transpose(x, 0, 1) = 0.0; }, {}},
      {"transpose_function_in_place", [=](Tensor& x) { transpose(x, 0, 1).fill_(0.0); }, {}},
      {"transpose_function_part", [=](Tensor& x) { transpose(x, 0, 1)[0] = row; }, {}},
      {"expand_function",
       [=](Tensor& x) {
         expand(x, {2, 2, 2})[0] = 0.0;
       },
       {}},
      {"expand_function_in_place",
       [=](Tensor& x) {
         expand(x[0], {2, 2}).zero_();
       },
       {}},
      {"diagonal", [=](Tensor& x) { diagonal(x) = row; }, {}},
      {"diagonal_in_place", [=](Tensor& x) { diagonal(x).zero_(); }, {}},
      {"diag_in_place", [=](Tensor& x) { diag(x).zero_(); }, {}},
      {"meshgrid",
       [=](Tensor& x) {
         meshgrid({x[0], x[1]})[0] = x;
       },
       {}},
      {"meshgrid_in_place",
       [=](Tensor& x) {
         meshgrid({x[0], x[1]})[0].zero_();
       },
       {}},
      // New tensors.
      {"clone", [=](Tensor& x) { x.clone() = x; }, {}},
      {"to", [=](Tensor& x) { x.to(kFloat64) = x; }, {}},
      {"relu", [=](Tensor& x) { relu(x) = 0.0; }, {}},
      {"sum", [=](Tensor& x) { (x + x) = x; }, {}},
      {"reduction", [=](Tensor& x) { sum(x, 0) = row; }, {}},
      {"part_of_sum", [=](Tensor& x) { (x + x)[0] = row; }, {}},
      {"element_of_sum", [=](Tensor& x) { (x + x)[0][1] = 1.0; }, {}},
      {"view_of_sum", [=](Tensor& x) { (x + x).view({4}).narrow(0, 0, 2) = row; }, {}},
      {"element_of_view_of_sum", [=](Tensor& x) { (x + x).view({4})[0] = 1.0; }, {}},
      {"member", [=](Tensor& x) { max_with_indices(x, 0).values = row; }, {}},
      {"masked_select", [=](Tensor& x) { masked_select(x, x > 2.0) = row; }, {}},
      {"handle", [=](Tensor& x) { std::move(x) = row; }, {}},
      {"gradients",
       [=](Tensor& x) {
         const Tensor w = ones({2}, {.requires_grad = true});
         grad({(w * x[0]).sum()}, {w})[0] = row;
       },
       {}},
      {"parameters",
       [=](Tensor& x) {
         const auto parameters = [&x] { return ParameterList({x}); };
         parameters()[0] = row;
       },
       {}},
  };
}

class TemporaryWriteTest : public testing::TestWithParam<Case> {};

TEST_P(TemporaryWriteTest, WritesOrThrows) {
  Tensor x = tensor({{1.0, 2}, {3, 4}});
  if (GetParam().expected.empty()) {
    EXPECT_THROW(GetParam().write(x), ValueError);
    EXPECT_EQ(numbers(x), (Values{1, 2, 3, 4}));
  } else {
    GetParam().write(x);
    EXPECT_EQ(numbers(x), GetParam().expected);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TemporaryWriteTest, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(TensorListTest, IsAVector) {
  const Tensor x = tensor({{1.0, 2}, {3, 4}});
  std::vector<Tensor> parts = x.split(1);
  const TensorList list = parts;
  EXPECT_EQ(list.size(), 2U);
  EXPECT_TRUE(is_same(list[1], parts[1]));
  EXPECT_TRUE(is_same(list.at(0), parts[0]));
  EXPECT_TRUE(is_same(list.front(), parts[0]));
  EXPECT_TRUE(is_same(list.back(), parts[1]));
  EXPECT_THROW(list.at(2), std::out_of_range);
  EXPECT_THROW(TensorList(list).at(2), std::out_of_range);
  EXPECT_EQ(numbers(cat(x.split(1))), numbers(x));
  TensorList three = {x, x, x};
  three.at(1) = parts[0];
  three.back() = parts[1];
  EXPECT_TRUE(is_same(three[1], parts[0]));
  EXPECT_TRUE(is_same(three[2], parts[1]));
  EXPECT_THROW(three.at(3), std::out_of_range);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
