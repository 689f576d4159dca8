// Dropout, Flatten, Identity and Embedding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/flatten.hpp"
#include "normgrad/layers/identity.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::random_tensor;

TEST(DropoutTest, DropsInTrainingOnly) {
  manual_seed(4);
  Sequential model(Dropout(0.25));
  const Tensor x = ones({100, 100});
  const std::vector<double> values = model(x).to_vector<double>();
  const auto dropped = std::count(values.begin(), values.end(), 0.0);
  EXPECT_NEAR(static_cast<double>(dropped), 2500.0, 5.0 * std::sqrt(10000.0 * 0.25 * 0.75));
  for (const double value : values) {
    EXPECT_TRUE(value == 0.0 || std::fabs(value - 1.0 / 0.75) < 1e-6) << value;
  }
  EXPECT_NE(model(x).to_vector<double>(), values);
  manual_seed(4);
  EXPECT_EQ(model(x).to_vector<double>(), values);
  model.eval();
  EXPECT_EQ(model(x).to_vector<double>(), x.to_vector<double>());
  EXPECT_EQ(to_string(Dropout()), "Dropout(p=0.5)");
  EXPECT_EQ(error_of<ValueError>([] { Dropout(1.5); }), "Dropout: expected p in [0, 1] but got 1.5");
}

TEST(FlattenTest, JoinsAxes) {
  const Tensor x = random_tensor({2, 3, 4, 5}, kFloat32, 1);
  EXPECT_EQ(Flatten()(x).shape(), Shape({2, 60}));
  EXPECT_EQ(Flatten(0, 1)(x).shape(), Shape({6, 4, 5}));
  EXPECT_EQ(Flatten()(x).to_vector<float>(), x.to_vector<float>());
  EXPECT_EQ(to_string(Flatten()), "Flatten(start_dim=1, end_dim=-1)");
  EXPECT_TRUE(is_same(Identity()(x), x));
}

TEST(EmbeddingTest, LooksRowsUp) {
  Embedding table(5, 3, {.dtype = kFloat64});
  const Tensor index = from_vector(std::vector<std::int64_t>{4, 0, 4, 2}, {2, 2});
  const Tensor y = table(index);
  ASSERT_EQ(y.shape(), Shape({2, 2, 3}));
  const auto ys = y.to_vector<double>();
  const auto ws = table.weight.to_vector<double>();
  const std::vector<std::size_t> rows = {4, 0, 4, 2};
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(ys[i], ws[rows[i / 3] * 3 + i % 3]);
  }
  y.backward(ones({2, 2, 3}, {.dtype = kFloat64}));
  EXPECT_EQ(table.weight.grad().to_vector<double>(),
            (std::vector<double>{1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 2, 2, 2}));
  EXPECT_EQ(error_of<ValueError>([] { Embedding(0, 3); }), "Embedding: expected num_embeddings > 0 but got 0");
  EXPECT_EQ(error_of<IndexError>([] { Embedding(4, 3, {.padding_idx = 4}); }),
            "Embedding: expected padding_idx in [-4, 4) but got 4");
  const std::string text = error_of<IndexError>([&] { table(from_vector(std::vector<std::int64_t>{5}, {1})); });
  EXPECT_EQ(text.find("Embedding: embedding: "), 0U) << text;
}

TEST(EmbeddingTest, StartsNormalWithAPaddingRowOfZeros) {
  Generator generator(2);
  Embedding table(500, 20, {.padding_idx = -1, .generator = &generator});
  const std::vector<double> values = table.weight.to_vector<double>();
  double sum = 0.0;
  double squares = 0.0;
  const std::size_t n = values.size() - 20;
  for (std::size_t i = 0; i < n; ++i) {
    sum += values[i];
    squares += values[i] * values[i];
  }
  const double count = static_cast<double>(n);
  EXPECT_NEAR(sum / count, 0.0, 5.0 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1.0, 5.0 * std::sqrt(2.0 / count));
  for (std::size_t i = n; i < values.size(); ++i) {
    EXPECT_EQ(values[i], 0.0);
  }
  EXPECT_EQ(to_string(table), "Embedding(500, 20, padding_idx=499)  [500x20]  10,000 parameters");

  table(from_vector(std::vector<std::int64_t>{499, 1}, {2})).backward(ones({2, 20}));
  const std::vector<double> gradient = table.weight.grad().to_vector<double>();
  EXPECT_EQ(gradient[20], 1.0);
  EXPECT_EQ(gradient[499 * 20], 0.0);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
