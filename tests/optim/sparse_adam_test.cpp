#include "normgrad/optim/sparse_adam.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/optim/optim_support.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/source_tree.hpp"
#include "tests/support/values.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using nlohmann::json;
using testing::HasSubstr;
using tests::error_of;
using tests::param_of;
using tests::tensor_of;

std::vector<double> slot(const Optimizer& optimizer, const char* name) {
  return optimizer.state_dict().at(std::string("state.0.") + name).to_vector<double>();
}

void set_options(SparseAdam& optimizer, const json& options) {
  for (const auto& [name, value] : options.items()) {
    if (name == "betas") {
      optimizer.set_option("beta1", value[0], 0);
      optimizer.set_option("beta2", value[1], 0);
    } else {
      optimizer.set_option(name, value.is_boolean() ? 1.0 : value.get<double>(), 0);
    }
  }
}

TEST(SparseAdamTest, StepsLikePyTorchsOfASparseEmbedding) {
  std::ifstream input(tests::source_dir() / "tests/fixtures/optim/sparse_adam.json");
  const json file = json::parse(input);
  ASSERT_EQ(file["cases"].size(), 3U);
  for (const json& c : file["cases"]) {
    for (const DType dtype : {kFloat64, kFloat32}) {
      Tensor weight = tensor_of(file["start"].get<std::vector<double>>(), dtype).alias({6, 3}).requires_grad_();
      SparseAdam optimizer({weight});
      set_options(optimizer, c["options"]);
      const json& expected = c[dtype == kFloat64 ? "float64" : "float32"];
      ASSERT_EQ(expected.size(), 20U);
      for (std::size_t t = 0; t < expected.size(); ++t) {
        Tensor index = Tensor::empty({3}, kInt64);
        for (std::size_t i = 0; i < 3; ++i) {
          index.mutable_data<std::int64_t>()[i] = file["indices"][t][i];
        }
        const Tensor factor = tensor_of(file["factors"][t].get<std::vector<double>>(), dtype).alias({3, 3});
        optimizer.zero_grad();
        const Tensor out = embedding(index, weight);
        sum(out * factor + out * out).backward();
        optimizer.step();
        const std::vector<double> values = weight.to_vector<double>();
        for (std::size_t i = 0; i < values.size(); ++i) {
          const double value = expected[t][i];
          ASSERT_NEAR(values[i], value, (dtype == kFloat64 ? 1e-12 : 4e-6) * std::max(1.0, std::fabs(value)))
              << c["options"] << " step " << t << " element " << i;
        }
      }
    }
  }
}

// Rows of 33 elements, more than a register and not a multiple of it, in several blocks.
constexpr std::int64_t kRows = 3000;
constexpr std::int64_t kWidth = 33;

// The gradient of step t is zero but in the rows i with (i + t) % 7 == 0.
Tensor sparse_gradient(int t, DType dtype) {
  Tensor g = tests::random_tensor({kRows, kWidth}, dtype, 10 + static_cast<std::uint32_t>(t));
  const NoGradGuard no_grad;
  for (std::int64_t i = 0; i < kRows; ++i) {
    if ((i + t) % 7 != 0) {
      g[i].zero_();
    }
  }
  return g;
}

TEST(SparseAdamTest, OnlyRowsWithAGradientMove) {
  Tensor p = tests::random_tensor({kRows, kWidth}, kFloat64, 1).requires_grad_();
  std::vector<double> x = p.to_vector<double>();
  std::vector<double> m(x.size());
  std::vector<double> v(x.size());
  SparseAdam optimizer({p}, {.lr = 0.1, .betas = {0.8, 0.9}, .eps = 0.01});
  for (int t = 1; t <= 10; ++t) {
    const Tensor gradient = sparse_gradient(t, kFloat64);
    const std::vector<double> g = gradient.to_vector<double>();
    p.set_grad(gradient);
    optimizer.step();
    const double rate = 0.1 * std::sqrt(1.0 - std::pow(0.9, t)) / (1.0 - std::pow(0.8, t));
    for (std::size_t i = 0; i < x.size(); ++i) {
      if ((static_cast<std::int64_t>(i) / kWidth + t) % 7 == 0) {
        m[i] = 0.8 * m[i] + 0.2 * g[i];
        v[i] = 0.9 * v[i] + 0.1 * g[i] * g[i];
        x[i] -= rate * m[i] / (std::sqrt(v[i]) + 0.01);
      }
    }
    const std::vector<double> now = p.to_vector<double>();
    const std::vector<double> now_m = slot(optimizer, "exp_avg");
    const std::vector<double> now_v = slot(optimizer, "exp_avg_sq");
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(now[i], x[i], 1e-13) << t << " " << i;
      ASSERT_NEAR(now_m[i], m[i], 1e-14) << t << " " << i;
      ASSERT_NEAR(now_v[i], v[i], 1e-14) << t << " " << i;
    }
  }
  // To the bit, and with one thread the same as with several.
  const auto run = [](int threads) {
    const int before = get_num_threads();
    set_num_threads(threads);
    Tensor q = tests::random_tensor({kRows, kWidth}, kFloat32, 1).requires_grad_();
    SparseAdam sparse({q});
    for (int t = 0; t < 3; ++t) {  // rows with i % 7 in {0, 5, 6}
      q.set_grad(sparse_gradient(t, kFloat32));
      sparse.step();
    }
    set_num_threads(before);
    return q.to_vector<double>();
  };
  const std::vector<double> one = run(1);
  const std::vector<double> start = tests::random_tensor({kRows, kWidth}, kFloat32, 1).to_vector<double>();
  EXPECT_EQ(run(4), one);
  for (std::size_t i = 0; i < one.size(); ++i) {
    const std::int64_t rest = static_cast<std::int64_t>(i) / kWidth % 7;
    ASSERT_EQ(one[i] == start[i], rest != 0 && rest != 5 && rest != 6) << i;
  }
}

TEST(SparseAdamTest, AdamMovesTheOtherRows) {
  const auto second_row_after = [](auto make) {
    Tensor p = ones({2, 2}).requires_grad_();
    const auto optimizer = make(std::vector<Tensor>{p});
    p.set_grad(ones({2, 2}));
    optimizer->step();
    const double first = p.to_vector<double>()[2];
    p.set_grad(tensor_of({1.0, 1.0, 0.0, 0.0}, kFloat32).alias({2, 2}));
    optimizer->step();
    return p.to_vector<double>()[2] - first;
  };
  EXPECT_LT(second_row_after([](const auto& p) { return std::make_unique<Adam>(p, AdamOptions{.lr = 0.1}); }), -0.05);
  EXPECT_EQ(
      second_row_after([](const auto& p) { return std::make_unique<SparseAdam>(p, SparseAdamOptions{.lr = 0.1}); }),
      0.0);
}

TEST(SparseAdamTest, OtherShapes) {
  // Elements are the rows of a vector; a tensor without axes is one row.
  Tensor vector = param_of({1.0, 2.0, 3.0});
  Tensor scalar = ones({}).requires_grad_();
  Tensor empty = zeros({0, 3}).requires_grad_();
  Tensor narrow = zeros({3, 0}).requires_grad_();
  SparseAdam optimizer({vector, scalar, empty, narrow}, {.lr = 0.5});
  vector.set_grad(tensor_of({0.0, 3.0, std::nan("")}));
  scalar.set_grad(full({}, -2.0));
  empty.set_grad(zeros({0, 3}));
  narrow.set_grad(zeros({3, 0}));
  optimizer.step();
  const std::vector<double> values = vector.to_vector<double>();
  EXPECT_EQ(values[0], 1.0);
  EXPECT_NEAR(values[1], 1.5, 1e-6);  // the first step has the size of lr
  EXPECT_TRUE(std::isnan(values[2])) << "NaN is a gradient";
  EXPECT_NEAR(scalar.item(), 1.5, 1e-6);
}

TEST(SparseAdamTest, ANewOneGoesOnFromTheState) {
  const auto run = [](bool hand_over) {
    Tensor p = tests::random_tensor({kRows, kWidth}, kFloat32, 1).requires_grad_();
    auto optimizer = std::make_unique<SparseAdam>(std::vector<Tensor>{p}, SparseAdamOptions{.lr = 0.01});
    for (int t = 0; t < 6; ++t) {
      if (t == 3 && hand_over) {
        const StateDict state = optimizer->state_dict();
        EXPECT_EQ(state.at("state.0.step").item(), 3.0);
        optimizer = std::make_unique<SparseAdam>(std::vector<Tensor>{p});
        optimizer->load_state_dict(state);
      }
      p.set_grad(sparse_gradient(t, kFloat32));
      optimizer->step();
    }
    return p.to_vector<double>();
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(SparseAdamTest, Refuses) {
  const std::vector<Tensor> p = {param_of({1.0})};
  EXPECT_EQ(error_of<ValueError>([&] { SparseAdam(p, {.eps = 0.0}); }), "SparseAdam: expected eps > 0 but got 0");
  EXPECT_THAT(error_of<ValueError>([&] { SparseAdam(p, {.betas = {0.9, 1.0}}); }), HasSubstr("betas in [0, 1)"));
  EXPECT_THAT(error_of<ValueError>([&] { SparseAdam(p, {.lr = -1.0}); }), HasSubstr("lr >= 0"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
