// Operations on parts of a tensor, whose memory starts anywhere, give the bits that they give for a copy.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/attention/attention.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/order/order.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::random_tensor;

using Inputs = std::vector<Tensor>;

struct Case {
  const char* name;
  std::function<Tensor(const Inputs&)> f;
  std::vector<Shape> shapes;
};

std::vector<Case> cases() {
  const Tensor rows = tensor({4, 0, 2, 2, -1}, {.dtype = kInt64});
  const Tensor classes = tensor({4, 0, 2}, {.dtype = kInt64});
  return {
      {"exp", [](const Inputs& in) { return exp(in[0]); }, {{7, 23}}},
      {"gelu", [](const Inputs& in) { return gelu(in[0]); }, {{7, 23}}},
      {"relu", [](const Inputs& in) { return relu(in[0]); }, {{7, 23}}},
      {"mul", [](const Inputs& in) { return in[0] * in[1]; }, {{7, 23}, {7, 23}}},
      {"add_broadcast", [](const Inputs& in) { return in[0] + in[1] / 3.0; }, {{7, 23}, {23}}},
      {"div_columns", [](const Inputs& in) { return in[0] / (in[1] * in[1] + 1.0); }, {{7, 23}, {7, 1}}},
      {"where", [](const Inputs& in) { return where(in[0] > in[1], in[0], in[1]); }, {{7, 23}, {7, 23}}},
      {"sum_rows", [](const Inputs& in) { return in[0].sum(1); }, {{7, 67}}},
      {"mean_columns", [](const Inputs& in) { return in[0].mean(0); }, {{67, 19}}},
      {"var",
       [](const Inputs& in) {
         return in[0].var({0, 2});
       },
       {{5, 3, 37}}},
      {"max", [](const Inputs& in) { return in[0].max(1); }, {{7, 67}}},
      {"norm", [](const Inputs& in) { return in[0].norm(2.0, 1); }, {{7, 67}}},
      {"softmax", [](const Inputs& in) { return softmax(in[0], -1); }, {{7, 37}}},
      {"log_softmax_columns", [](const Inputs& in) { return log_softmax(in[0], 0); }, {{7, 37}}},
      {"cross_entropy", [=](const Inputs& in) { return cross_entropy(in[0], classes); }, {{3, 37}}},
      {"layer_norm", [](const Inputs& in) { return layer_norm(in[0], {37}, in[1], in[2]); }, {{9, 37}, {37}, {37}}},
      {"rms_norm", [](const Inputs& in) { return rms_norm(in[0], {37}, in[1]); }, {{9, 37}, {37}}},
      {"batch_norm_2d",
       [](const Inputs& in) { return batch_norm_training(in[0], in[1], in[2]).y; },
       {{3, 5, 7, 9}, {5}, {5}}},
      {"batch_norm_1d", [](const Inputs& in) { return batch_norm_training(in[0], in[1]).y; }, {{33, 21}, {21}}},
      {"group_norm", [](const Inputs& in) { return group_norm(in[0], 2, in[1], in[2]); }, {{3, 6, 5, 7}, {6}, {6}}},
      {"instance_norm", [](const Inputs& in) { return instance_norm(in[0], in[1], in[2]); }, {{3, 6, 5, 7}, {6}, {6}}},
      {"matmul", [](const Inputs& in) { return matmul(in[0], in[1]); }, {{33, 45}, {45, 29}}},
      {"matmul_large", [](const Inputs& in) { return matmul(in[0], in[1]); }, {{130, 70}, {70, 150}}},
      {"matmul_batch", [](const Inputs& in) { return matmul(in[0], in[1]); }, {{3, 5, 7}, {3, 7, 9}}},
      {"linear", [](const Inputs& in) { return linear(in[0], in[1], in[2]); }, {{17, 31}, {13, 31}, {13}}},
      {"conv2d",
       [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {.padding = 1}); },
       {{3, 4, 9, 11}, {5, 4, 3, 3}, {5}}},
      {"conv2d_of_pixels", [](const Inputs& in) { return conv2d(in[0], in[1]); }, {{3, 4, 9, 11}, {5, 4, 1, 1}}},
      {"conv2d_strided",
       [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.stride = 2}); },
       {{2, 3, 17, 15}, {5, 3, 3, 3}}},
      {"conv1d", [](const Inputs& in) { return conv1d(in[0], in[1]); }, {{2, 3, 33}, {5, 3, 5}}},
      {"conv_transpose2d",
       [](const Inputs& in) { return conv_transpose2d(in[0], in[1], {}, {.stride = 2}); },
       {{2, 3, 7, 5}, {3, 4, 3, 3}}},
      {"max_pool2d", [](const Inputs& in) { return max_pool2d(in[0], 2); }, {{2, 3, 10, 14}}},
      {"avg_pool2d", [](const Inputs& in) { return avg_pool2d(in[0], 3, {.stride = 2}); }, {{2, 3, 11, 13}}},
      {"index_select", [=](const Inputs& in) { return index_select(in[0], 0, rows); }, {{5, 21}}},
      {"index_columns",
       [=](const Inputs& in) {
         return in[0].index({"...", rows});
       },
       {{3, 2, 5}}},
      {"gather",
       [=](const Inputs& in) {
         return gather(in[0], 1, expand_to(rows.unsqueeze(0), {3, 5}));
       },
       {{3, 5}}},
      {"scatter_add",
       [=](const Inputs& in) {
         return scatter_add({5, 21}, 0, expand_to(rows.unsqueeze(1), {5, 21}), in[0]);
       },
       {{5, 21}}},
      {"sort", [](const Inputs& in) { return sort(in[0], 1).values; }, {{5, 67}}},
      {"cumsum", [](const Inputs& in) { return cumsum(in[0], 1); }, {{5, 67}}},
      {"permute",
       [](const Inputs& in) {
         return permute(in[0], {2, 0, 1});
       },
       {{5, 7, 9}}},
      {"cat",
       [](const Inputs& in) {
         return cat({in[0], in[1]}, 1);
       },
       {{5, 7}, {5, 9}}},
      {"pad",
       [](const Inputs& in) {
         return pad(in[0], {1, 2, 3, 0});
       },
       {{5, 7}}},
      {"flip",
       [](const Inputs& in) {
         return flip(in[0], {0, 1});
       },
       {{5, 7}}},
      {"interpolate",
       [](const Inputs& in) {
         return interpolate(in[0], {.size = {9, 13}, .mode = "bilinear"});
       },
       {{2, 3, 5, 7}}},
      {"attention",
       [](const Inputs& in) { return scaled_dot_product_attention(in[0], in[1], in[2], {.is_causal = true}); },
       {{2, 3, 19, 13}, {2, 3, 19, 13}, {2, 3, 19, 13}}},
  };
}

// The same elements, one element behind the start of 64-byte-aligned memory.
Tensor shifted(const Tensor& x) {
  Tensor memory = Tensor::empty({x.numel() + 1}, x.dtype());
  memory.fill_(1e30);
  Tensor part = memory.narrow(0, 1, x.numel());
  part.copy_(x.detach().view({-1}));
  return reshape_to(part, x.shape());
}

std::string bytes(const Tensor& x) {
  const Tensor plain = x.row_major();
  return {reinterpret_cast<const char*>(plain.buffer().data()),
          static_cast<std::size_t>(plain.numel()) * dtype_size(plain.dtype())};
}

class UnalignedTest : public tests::SimdLevelTest {};

TEST_P(UnalignedTest, OperationsAndTheirGradients) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const Case& c : cases()) {
      Inputs aligned;
      Inputs parts;
      for (std::size_t i = 0; i < c.shapes.size(); ++i) {
        Tensor x = random_tensor(c.shapes[i], dtype, static_cast<std::uint32_t>(i + 1));
        aligned.push_back(x.requires_grad_());
        parts.push_back(shifted(x).requires_grad_());
        ASSERT_NE(reinterpret_cast<std::uintptr_t>(parts.back().buffer().data()) % 16, 0U);
      }
      const Tensor expected = c.f(aligned);
      const Tensor y = c.f(parts);
      EXPECT_EQ(bytes(y), bytes(expected)) << c.name << " " << dtype;
      const Tensor gy = random_tensor(expected.shape(), dtype, 9);
      const auto expected_gradients = grad({expected}, aligned, {gy});
      const auto gradients = grad({y}, parts, {shifted(gy)});
      for (std::size_t i = 0; i < parts.size(); ++i) {
        EXPECT_EQ(bytes(gradients[i]), bytes(expected_gradients[i])) << c.name << " " << dtype << ", input " << i;
      }
    }
  }
}

TEST_P(UnalignedTest, InPlace) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor a = random_tensor({7, 23}, dtype, 1);
    const Tensor b = random_tensor({7, 23}, dtype, 2);
    Tensor expected = a.clone();
    Tensor part = shifted(a);
    for (Tensor* x : {&expected, &part}) {
      const Tensor other = x == &part ? shifted(b) : b;
      x->add_(other).mul_(other).sub_(other, 0.3).mul_(1.1).div_(0.7);
      x->index_put_({tensor({2, 5}, {.dtype = kInt64})}, other[3], true);
    }
    EXPECT_EQ(bytes(part), bytes(expected));
  }
}

TEST_P(UnalignedTest, NothingBesideThePartIsWritten) {
  for (std::int64_t n : {1, 3, 15, 16, 17, 63, 64, 65, 200}) {
    Tensor memory = full({3 * n}, -1.0);
    Tensor part = memory.narrow(0, n, n);
    part.copy_(random_tensor({n}, kFloat32, 1)).add_(ones({n})).mul_(random_tensor({n}, kFloat32, 2)).mul_(2.0);
    EXPECT_EQ(bytes(memory.narrow(0, 0, n)), bytes(full({n}, -1.0))) << n;
    EXPECT_EQ(bytes(memory.narrow(0, 2 * n, n)), bytes(full({n}, -1.0))) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(All, UnalignedTest, tests::simd_levels(), tests::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
