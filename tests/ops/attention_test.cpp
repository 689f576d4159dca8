#include "normgrad/core/ops/attention/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::kInf;
using tests::random_tensor;

struct Case {
  std::string name;
  std::int64_t batch, heads, kv_heads, queries, keys, features, values;
  bool causal = false;
  Shape mask = {};           // none if empty
  DType mask_dtype = kBool;  // bool masks hide a third of the keys
  std::optional<double> scale = {};
};

const std::vector<Case> kCases = {
    {"small", 2, 1, 1, 3, 4, 5, 2},
    {"one", 1, 1, 1, 1, 1, 1, 1},
    {"several tiles", 1, 2, 2, 130, 270, 24, 17},
    {"causal", 2, 2, 2, 150, 150, 8, 8, true},
    {"causal, more keys", 1, 1, 1, 70, 300, 4, 3, true},
    {"causal, fewer keys", 1, 1, 1, 200, 30, 4, 3, true},
    {"mask per query and key", 2, 2, 2, 70, 140, 6, 5, false, {70, 140}},
    {"mask per key", 2, 2, 2, 70, 140, 6, 5, false, {2, 1, 1, 140}},
    {"mask per query", 1, 2, 2, 70, 140, 6, 5, false, {70, 1}, kFloat64},
    {"added mask per head", 2, 2, 2, 65, 129, 6, 5, false, {2, 65, 129}, kFloat64},
    {"groups", 2, 6, 2, 66, 131, 4, 4, false, {2, 6, 66, 131}, kFloat64},
    {"groups, causal", 1, 4, 1, 80, 200, 4, 4, true},
    {"scale", 1, 1, 1, 5, 6, 4, 4, false, {}, kBool, 2.5},
};

struct Operands {
  Tensor q, k, v, gy, mask;

  Operands(const Case& c, DType dtype)
      : q(random_tensor({c.batch, c.heads, c.queries, c.features}, dtype, 1)),
        k(random_tensor({c.batch, c.kv_heads, c.keys, c.features}, dtype, 2)),
        v(random_tensor({c.batch, c.kv_heads, c.keys, c.values}, dtype, 3)),
        gy(random_tensor({c.batch, c.heads, c.queries, c.values}, dtype, 4)) {
    if (c.mask.rank() > 0) {
      const Tensor draw = random_tensor(c.mask, dtype, 5);
      mask = c.mask_dtype == kBool ? lt(draw, 0.5) : draw;
    }
    for (Tensor* x : {&q, &k, &v}) {
      x->requires_grad_();
    }
  }
  AttentionOptions options(const Case& c) const {
    AttentionOptions o;
    o.attn_mask = mask;
    o.is_causal = c.causal;
    o.scale = c.scale;
    o.enable_gqa = c.heads != c.kv_heads;
    return o;
  }
};

// The definition, element by element, and its gradients.
struct Reference {
  std::vector<double> y, gq, gk, gv;

  Reference(const Case& c, const Operands& in)
      : y(static_cast<std::size_t>(in.gy.numel())),
        gq(static_cast<std::size_t>(in.q.numel())),
        gk(static_cast<std::size_t>(in.k.numel())),
        gv(static_cast<std::size_t>(in.v.numel())) {
    const auto q = in.q.to_vector<double>(), k = in.k.to_vector<double>(), v = in.v.to_vector<double>();
    const auto gy = in.gy.to_vector<double>();
    const Shape full{c.batch, c.heads, c.queries, c.keys};
    const auto mask = in.mask.defined() ? expand_to(in.mask, full).to_vector<double>() : std::vector<double>();
    const double scale = c.scale.value_or(1.0 / std::sqrt(static_cast<double>(c.features)));
    const auto at = [](std::int64_t row, std::int64_t width, std::int64_t i) {
      return static_cast<std::size_t>(row * width + i);
    };
    for (std::int64_t row = 0; row < c.batch * c.heads * c.queries; ++row) {
      const std::int64_t head = row / c.queries, i = row % c.queries;
      const std::int64_t first = head / (c.heads / c.kv_heads) * c.keys;  // row of the first key
      std::vector<double> p;
      double sum = 0.0;
      for (std::int64_t j = 0; j < c.keys; ++j) {
        double s = 0.0;
        for (std::int64_t e = 0; e < c.features; ++e) {
          s += q[at(row, c.features, e)] * k[at(first + j, c.features, e)];
        }
        s *= scale;
        if (!mask.empty()) {
          const double m = mask[at(row, c.keys, j)];
          s = c.mask_dtype == kBool ? (m != 0.0 ? s : -kInf) : s + m;
        }
        p.push_back(c.causal && j > i ? 0.0 : std::exp(s));
        sum += p.back();
      }
      double dot = 0.0;
      for (std::int64_t j = 0; j < c.keys; ++j) {
        double& w = p[static_cast<std::size_t>(j)];
        w = sum == 0.0 ? 0.0 : w / sum;
        for (std::int64_t e = 0; e < c.values; ++e) {
          y[at(row, c.values, e)] += w * v[at(first + j, c.values, e)];
          gv[at(first + j, c.values, e)] += w * gy[at(row, c.values, e)];
          dot += w * gy[at(row, c.values, e)] * v[at(first + j, c.values, e)];
        }
      }
      for (std::int64_t j = 0; j < c.keys; ++j) {
        double gp = 0.0;
        for (std::int64_t e = 0; e < c.values; ++e) {
          gp += gy[at(row, c.values, e)] * v[at(first + j, c.values, e)];
        }
        const double gs = p[static_cast<std::size_t>(j)] * (gp - dot) * scale;
        for (std::int64_t e = 0; e < c.features; ++e) {
          gq[at(row, c.features, e)] += gs * k[at(first + j, c.features, e)];
          gk[at(first + j, c.features, e)] += gs * q[at(row, c.features, e)];
        }
      }
    }
  }
};

void expect_near(const Tensor& got, const std::vector<double>& wanted, double tolerance, const std::string& what) {
  const auto values = got.to_vector<double>();
  ASSERT_EQ(values.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(values[i], wanted[i], tolerance * (1.0 + std::abs(wanted[i]))) << what << " at " << i;
  }
}

class AttentionLevelTest : public tests::SimdLevelTest {};

TEST_P(AttentionLevelTest, IsTheDefinition) {
  for (const Case& c : kCases) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Operands in(c, dtype);
      const Tensor y = scaled_dot_product_attention(in.q, in.k, in.v, in.options(c));
      const auto g = grad({y}, {in.q, in.k, in.v}, {in.gy});
      const Reference wanted(c, in);
      // tol: sums of up to 300 products of numbers near 1
      const double tolerance = dtype == kFloat32 ? 2e-5 : 1e-13;
      expect_near(y, wanted.y, tolerance, c.name + ", y");
      expect_near(g[0], wanted.gq, tolerance, c.name + ", gradient of query");
      expect_near(g[1], wanted.gk, tolerance, c.name + ", gradient of key");
      expect_near(g[2], wanted.gv, tolerance, c.name + ", gradient of value");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, AttentionLevelTest, tests::simd_levels(), tests::name_of_level);

TEST(AttentionTest, TilesAndFormulaAgree) {
  for (const Case& c : kCases) {
    for (const double p : {0.0, 0.3}) {
      const Operands in(c, kFloat64);
      AttentionOptions options = in.options(c);
      Generator generator(9);
      options.dropout_p = p;
      options.generator = &generator;
      const Tensor y = scaled_dot_product_attention(in.q, in.k, in.v, options);
      const auto tiles = grad({y}, {in.q, in.k, in.v}, {in.gy}, {.retain_graph = true});
      const auto formula = grad({y}, {in.q, in.k, in.v}, {in.gy}, {.create_graph = true});
      for (std::size_t i = 0; i < 3; ++i) {
        expect_near(tiles[i], formula[i].to_vector<double>(), 1e-13, c.name);
      }
    }
  }
}

TEST(AttentionTest, DropsTheWeightsThatDropoutDrops) {
  const Tensor q = random_tensor({2, 3, 70, 4}, kFloat64, 1);
  const Tensor k = random_tensor({2, 3, 150, 4}, kFloat64, 2);
  const Tensor v = random_tensor({2, 3, 150, 5}, kFloat64, 3);
  for (const double p : {0.25, 1.0}) {
    Generator a(5);
    Generator b(5);
    a();
    b();
    const Tensor y = scaled_dot_product_attention(q, k, v, {.dropout_p = p, .generator = &a});
    const Tensor wanted = matmul(dropout(attention_weights(q, k), p, true, &b), v);
    expect_near(y, wanted.to_vector<double>(), 1e-13, "dropout");
    EXPECT_EQ(a.position(), b.position());
  }
}

TEST(AttentionTest, GradientsOfBothOrders) {
  const auto random = [](const Shape& shape, std::uint32_t seed) {
    return random_tensor(shape, kFloat64, seed).requires_grad_();
  };
  const Tensor q = random({2, 2, 3, 4}, 1), k = random({2, 1, 5, 4}, 2), v = random({2, 1, 5, 3}, 3);
  const Tensor mask = random({2, 1, 3, 5}, 4);
  EXPECT_TRUE(gradients_agree(
      [](const std::vector<Tensor>& in) {
        Generator generator(3);
        return scaled_dot_product_attention(
            in[0], in[1], in[2], {.attn_mask = in[3], .dropout_p = 0.3, .enable_gqa = true, .generator = &generator});
      },
      {q, k, v, mask}));
  EXPECT_TRUE(gradients_agree(
      [](const std::vector<Tensor>& in) {
        return scaled_dot_product_attention(in[0], in[1], in[2], {.is_causal = true, .scale = 0.7});
      },
      {q, k, v}));
}

TEST(AttentionTest, LeadingAxesBroadcast) {
  const Tensor q = random_tensor({3, 1, 4, 5}, kFloat64, 1).requires_grad_();
  const Tensor k = random_tensor({2, 6, 5}, kFloat64, 2).requires_grad_();
  const Tensor v = random_tensor({6, 2}, kFloat64, 3).requires_grad_();
  const Tensor y = scaled_dot_product_attention(q, k, v);
  const Tensor wanted = matmul(softmax(matmul(q, transpose(k, -2, -1)) / std::sqrt(5.0), -1), v);
  EXPECT_EQ(y.shape(), (Shape{3, 2, 4, 2}));
  expect_near(y, wanted.to_vector<double>(), 1e-14, "y");
  const Tensor gy = random_tensor(y.shape(), kFloat64, 4);
  const auto g = grad({y}, {q, k, v}, {gy});
  const auto gw = grad({wanted}, {q, k, v}, {gy});
  for (std::size_t i = 0; i < 3; ++i) {
    expect_near(g[i], gw[i].to_vector<double>(), 1e-13, "gradient");
  }
}

TEST(AttentionTest, TransposedOperands) {
  const Tensor q = random_tensor({4, 3, 2, 5}, kFloat32, 1);  // [L, N, heads, E]
  const auto to_heads = [](const Tensor& x) { return permute(x, {1, 2, 0, 3}); };
  const Tensor y = scaled_dot_product_attention(to_heads(q), to_heads(q), to_heads(q));
  const Tensor copy = to_heads(q).clone();
  EXPECT_EQ(y.to_vector<float>(), scaled_dot_product_attention(copy, copy, copy).to_vector<float>());
}

TEST(AttentionTest, QueriesThatSeeNothingGiveZeros) {
  const Tensor q = random_tensor({1, 3, 4}, kFloat64, 1).requires_grad_();
  const Tensor k = random_tensor({1, 2, 4}, kFloat64, 2).requires_grad_();
  const Tensor v = random_tensor({1, 2, 3}, kFloat64, 3).requires_grad_();
  const Tensor allowed = from_vector<bool>({true, true, false, false, true, false}, {3, 2});
  const Tensor added = where(allowed, zeros({3, 2}, {.dtype = kFloat64}), full({}, -kInf, {.dtype = kFloat64}));
  for (const Tensor& mask : {allowed, added}) {
    const Tensor y = scaled_dot_product_attention(q, k, v, {.attn_mask = mask});
    EXPECT_EQ(y[0][1].to_vector<double>(), std::vector<double>(3, 0.0));
    EXPECT_EQ(y[0][2].to_vector<double>(), v[0][0].to_vector<double>());
    for (const bool recorded : {false, true}) {
      const auto g = grad({y}, {q, k, v}, {ones_like(y)}, {.retain_graph = true, .create_graph = recorded});
      EXPECT_EQ(g[0][0][1].to_vector<double>(), std::vector<double>(4, 0.0));
      for (const double x : g[1].to_vector<double>()) {
        EXPECT_TRUE(std::isfinite(x));
      }
    }
    EXPECT_TRUE(gradients_agree(
        [&](const std::vector<Tensor>& in) {
          return scaled_dot_product_attention(in[0], in[1], in[2], {.attn_mask = mask});
        },
        {q, k, v}));
  }
}

TEST(AttentionTest, LargeScoresAndNaN) {
  const Tensor q = tensor({{1e4}, {-1e4}, {std::nan("")}});
  const Tensor k = tensor({{1e3}, {2e3}});
  const Tensor v = tensor({{1.0}, {2.0}});
  const auto y = scaled_dot_product_attention(q, k, v).to_vector<float>();
  EXPECT_EQ(y[0], 2.0F);
  EXPECT_EQ(y[1], 1.0F);
  EXPECT_TRUE(std::isnan(y[2]));
}

TEST(AttentionTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const int before = get_num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    const Case c{"threads", 1, 4, 2, 300, 400, 16, 16, true};
    const Operands in(c, kFloat32);
    AttentionOptions options = in.options(c);
    Generator generator(1);
    options.dropout_p = 0.1;
    options.generator = &generator;
    const Tensor y = scaled_dot_product_attention(in.q, in.k, in.v, options);
    results.push_back(y.to_vector<float>());
    for (const Tensor& g : grad({y}, {in.q, in.k, in.v}, {in.gy})) {
      results.push_back(g.to_vector<float>());
    }
  }
  set_num_threads(before);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(results[i], results[i + 4]);
  }
}

TEST(AttentionTest, MemoryIsLinearInTheLength) {
  constexpr std::int64_t kLength = 2048;
  const Tensor x = random_tensor({1, 1, kLength, 4}, kFloat32, 1).requires_grad_();
  reset_peak_memory();
  const std::size_t before = memory_stats().bytes_in_use;
  const Tensor y = scaled_dot_product_attention(x, x, x, {.is_causal = true});
  y.backward(ones_like(y));
  EXPECT_LT(memory_stats().peak_bytes_in_use - before, kLength * kLength);  // a quarter of the scores
}

TEST(AttentionTest, SizesOfZero) {
  const auto shape_of = [](const Shape& q, const Shape& k, const Shape& v) {
    const Tensor tq = zeros(q, {.requires_grad = true});
    Tensor y = scaled_dot_product_attention(tq, zeros(k), ones(v));
    EXPECT_EQ(grad({y}, {tq}, {ones_like(y)})[0].shape(), q);
    return y;
  };
  EXPECT_EQ(shape_of({2, 0, 4}, {2, 3, 4}, {2, 3, 5}).shape(), (Shape{2, 0, 5}));
  EXPECT_EQ(shape_of({0, 2, 4}, {0, 3, 4}, {0, 3, 5}).shape(), (Shape{0, 2, 5}));
  EXPECT_EQ(shape_of({2, 2, 4}, {2, 3, 4}, {2, 3, 0}).shape(), (Shape{2, 2, 0}));
  EXPECT_EQ(shape_of({1, 2, 4}, {1, 0, 4}, {1, 0, 2}).to_vector<float>(), std::vector<float>(4, 0.0F));
  EXPECT_EQ(shape_of({1, 1, 0}, {1, 3, 0}, {1, 3, 2}).to_vector<float>(), std::vector<float>(2, 1.0F));
}

TEST(AttentionTest, Errors) {
  const auto x = [](const Shape& shape, DType dtype = kFloat32) { return zeros(shape, {.dtype = dtype}); };
  const auto shape_error = [&](const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o = {}) {
    return error_of<ShapeError>([&] { scaled_dot_product_attention(q, k, v, o); });
  };
  const std::string where = "scaled_dot_product_attention: ";
  EXPECT_EQ(shape_error(x({4}), x({3, 4}), x({3, 4})),
            where + "expected a query [*, L, E] of at least 2 axes but got [4]");
  EXPECT_EQ(shape_error(x({2, 4}), x({3, 5}), x({3, 4})),
            where + "expected a key [*, S, 4] for a query [2, 4] but got [3, 5]");
  EXPECT_EQ(shape_error(x({2, 4}), x({3, 4}), x({2, 4})),
            where + "expected a value [*, 3, Ev] for a key [3, 4] but got [2, 4]");
  EXPECT_EQ(shape_error(x({2, 4}), x({3, 4}), x({3, 4}), {.enable_gqa = true}),
            where + "expected a query [*, heads, L, E] of at least 3 axes but got [2, 4]");
  EXPECT_EQ(shape_error(x({3, 2, 4}), x({2, 3, 4}), x({2, 3, 4}), {.enable_gqa = true}),
            where +
                "expected the heads of the query to be a multiple of those of the key but got [3, 2, 4] and "
                "[2, 3, 4]");
  EXPECT_EQ(shape_error(x({4, 2, 4}), x({2, 3, 4}), x({1, 3, 4}), {.enable_gqa = true}),
            where + "expected a value of 2 heads, like the key, but got [1, 3, 4]");
  EXPECT_EQ(shape_error(x({2, 4}), x({3, 4}), x({3, 4}), {.attn_mask = x({2, 4})}),
            where + "expected an attn_mask that broadcasts to [2, 3] but got [2, 4]");
  EXPECT_EQ(shape_error(x({2, 4}), x({3, 4}), x({3, 4}), {.attn_mask = x({1, 2, 3})}),
            where + "expected an attn_mask that broadcasts to [2, 3] but got [1, 2, 3]");
  const Tensor q = x({2, 4});
  EXPECT_EQ(error_of<DTypeError>([&] {
              scaled_dot_product_attention(q, x({3, 4}, kFloat64), q);
            }),
            where + "expected operands of the same dtype but got float32 and float64; convert one of them with to()");
  EXPECT_EQ(error_of<DTypeError>([&] {
              scaled_dot_product_attention(x({2, 4}, kInt64), q, q);
            }),
            where + "expected a float32 or float64 query but got int64");
  EXPECT_EQ(error_of<DTypeError>([&] {
              scaled_dot_product_attention(q, q, q, {.attn_mask = x({2, 2}, kFloat64)});
            }),
            where + "expected an attn_mask of dtype bool or float32 but got float64");
  const auto value_error = [&](const Tensor& v, const AttentionOptions& o) {
    return error_of<ValueError>([&] { scaled_dot_product_attention(q, q, v, o); });
  };
  EXPECT_EQ(value_error({}, {}), where + "expected a value but got an undefined tensor");
  EXPECT_EQ(value_error(q, {.dropout_p = 1.5}), where + "expected dropout_p in [0, 1] but got 1.5");
  EXPECT_EQ(value_error(q, {.scale = kInf}), where + "expected a finite scale but got inf");
  EXPECT_EQ(value_error(q, {.attn_mask = x({2, 2}), .is_causal = true}),
            where + "expected either attn_mask or is_causal but got both; combine them in attn_mask");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
