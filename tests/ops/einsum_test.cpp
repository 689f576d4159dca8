// einsum against plain loops over all labels, named products, distances.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/einsum.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/matmul/products.hpp"
#include "normgrad/core/ops/reduction/distance.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::gradients_agree;
using tests::Numbers;
using tests::numbers;
using tests::random_tensor;

// The sums by a loop over the values of all labels. Terms have one letter per axis.
Numbers summed_by_loops(const std::vector<std::string>& terms, const std::string& result,
                        const std::vector<Tensor>& operands) {
  std::map<char, std::int64_t> size;
  std::vector<Numbers> values;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    values.push_back(numbers(operands[k]));
    for (std::size_t i = 0; i < terms[k].size(); ++i) {
      size[terms[k][i]] = std::max(size[terms[k][i]], operands[k].shape()[i]);
    }
  }
  std::int64_t count = 1;
  std::int64_t combinations = 1;
  for (const char label : result) {
    count *= size[label];
  }
  for (const auto& [label, n] : size) {
    combinations *= n;
  }
  Numbers y(static_cast<std::size_t>(count), 0.0);
  for (std::int64_t c = 0; c < combinations; ++c) {
    std::map<char, std::int64_t> at;
    std::int64_t rest = c;
    for (const auto& [label, n] : size) {
      at[label] = rest % n;
      rest /= n;
    }
    double product = 1.0;
    for (std::size_t k = 0; k < terms.size(); ++k) {
      std::int64_t offset = 0;
      for (std::size_t i = 0; i < terms[k].size(); ++i) {
        const std::int64_t n = operands[k].shape()[i];
        offset = offset * n + (n == 1 ? 0 : at[terms[k][i]]);
      }
      product *= values[k][static_cast<std::size_t>(offset)];
    }
    std::int64_t to = 0;
    for (const char label : result) {
      to = to * size[label] + at[label];
    }
    y[static_cast<std::size_t>(to)] += product;
  }
  return y;
}

struct Sum {
  std::string equation;            // as given
  std::vector<std::string> terms;  // with letters for "..."
  std::string result;
  std::vector<Shape> shapes;
};

const std::vector<Sum> kSums = {
    {"ij,jk->ik", {"ij", "jk"}, "ik", {{2, 3}, {3, 4}}},
    {"ij,jk", {"ij", "jk"}, "ik", {{2, 3}, {3, 4}}},
    {"ij,jk->ki", {"ij", "jk"}, "ki", {{2, 3}, {3, 4}}},
    {"bij,bjk->bik", {"bij", "bjk"}, "bik", {{5, 2, 3}, {5, 3, 4}}},
    {"i,i->", {"i", "i"}, "", {{4}, {4}}},
    {"i,j->ij", {"i", "j"}, "ij", {{4}, {3}}},
    {"i,i->i", {"i", "i"}, "i", {{4}, {4}}},
    {"ii->i", {"ii"}, "i", {{3, 3}}},
    {"ii", {"ii"}, "", {{3, 3}}},
    {"ij->ji", {"ij"}, "ji", {{2, 3}}},
    {"ba", {"ba"}, "ab", {{2, 3}}},
    {"ijk->j", {"ijk"}, "j", {{2, 3, 4}}},
    {"i , j, i j k", {"i", "j", "ijk"}, "k", {{2}, {3}, {2, 3, 4}}},
    {"iij,jk->ik", {"iij", "jk"}, "ik", {{3, 3, 2}, {2, 4}}},
    {"iijjk->kj", {"iijjk"}, "kj", {{2, 2, 3, 3, 2}}},
    {"bhqd,bhkd->bhqk", {"bhqd", "bhkd"}, "bhqk", {{2, 3, 4, 5}, {2, 3, 2, 5}}},
    {"...ij,...jk->...ik", {"xyij", "xyjk"}, "xyik", {{2, 3, 2, 4}, {2, 3, 4, 2}}},
    {"...ij,jk", {"xyij", "jk"}, "xyik", {{2, 3, 2, 4}, {4, 2}}},
    {"...ij,...jk->...ik", {"xyij", "yjk"}, "xyik", {{2, 3, 2, 4}, {3, 4, 2}}},
    {"...ii->...", {"xii"}, "x", {{2, 3, 3}}},
    {"i...,i...->...", {"ix", "ix"}, "x", {{3, 2}, {3, 2}}},
    {"...,...->...", {"x", "yx"}, "yx", {{3}, {2, 3}}},
    {"...->", {"xy"}, "", {{2, 3}}},
    {"ij,ij->ij", {"ij", "ij"}, "ij", {{1, 3}, {2, 1}}},
    {"ij,ij->", {"ij", "ij"}, "", {{1, 3}, {2, 3}}},
    {"ij,kl->ijkl", {"ij", "kl"}, "ijkl", {{2, 1}, {2, 3}}},
    {"ab,bc,cd,de->ae", {"ab", "bc", "cd", "de"}, "ae", {{2, 3}, {3, 2}, {2, 4}, {4, 2}}},
    {"a,b,c,abc->", {"a", "b", "c", "abc"}, "", {{2}, {3}, {2}, {2, 3, 2}}},
    {"aB,Ba->", {"aB", "Ba"}, "", {{2, 3}, {3, 2}}},
    {",i->i", {"", "i"}, "i", {{}, {3}}},
    {"ij,jk->ik", {"ij", "jk"}, "ik", {{2, 0}, {0, 4}}},
    {"ij,jk->ik", {"ij", "jk"}, "ik", {{0, 3}, {3, 4}}},
};

TEST(EinsumTest, AgreesWithLoops) {
  for (const Sum& sum : kSums) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      std::vector<Tensor> operands;
      for (std::size_t k = 0; k < sum.shapes.size(); ++k) {
        operands.push_back(random_tensor(sum.shapes[k], dtype, static_cast<std::uint32_t>(k + 1)));
      }
      const Tensor y = einsum(sum.equation, operands);
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_EQ(y.shape().rank(), sum.result.size()) << sum.equation;
      const Numbers expected = summed_by_loops(sum.terms, sum.result, operands);
      const Numbers got = numbers(y);
      ASSERT_EQ(got.size(), expected.size()) << sum.equation;
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], expected[i], dtype == kFloat32 ? 1e-5 : 1e-13) << sum.equation << " at " << i;
      }
    }
  }
}

TEST(EinsumTest, Errors) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(error_of<ValueError>([&] { einsum("ij,jk", {x}); }), "einsum: expected 2 operands for \"ij,jk\" but got 1");
  EXPECT_EQ(error_of<ShapeError>([&] { einsum("ijk->i", {x}); }),
            "einsum: expected operand 0 with 3 axes for \"ijk\" but got [2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { einsum("...ijk->i", {x}); }),
            "einsum: expected operand 0 with at least 3 axes for \"...ijk\" but got [2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              einsum("ij,jk", {x, x});
            }),
            "einsum: expected sizes that agree for 'j' but got 3 and 2");
  EXPECT_EQ(error_of<ShapeError>([&] {
              einsum("...,...", {x, zeros({2})});
            }),
            "einsum: expected sizes that agree for \"...\" but got 3 and 2");
  EXPECT_EQ(error_of<ShapeError>([&] { einsum("ii", {x}); }),
            "einsum: expected equal sizes for the repeated 'i' but got [2, 3]");
  EXPECT_EQ(error_of<ValueError>([&] { einsum("ij->k", {x}); }),
            "einsum: expected result labels that occur in a term, each once, but got \"k\"");
  EXPECT_EQ(error_of<ValueError>([&] { einsum("ij->ii", {x}); }),
            "einsum: expected result labels that occur in a term, each once, but got \"ii\"");
  for (const char* equation : {"i1", "ij->i->j", "i..j", "......", "i-j", "ij>i"}) {
    EXPECT_EQ(error_of<ValueError>([&] { einsum(equation, {x}); }),
              std::string("einsum: expected letters and one \"...\" per term, commas and one \"->\" but got \"") +
                  equation + "\"");
  }
  EXPECT_EQ(error_of<DTypeError>([&] { einsum("i", {arange(3)}); }),
            "einsum: expected a float32 or float64 tensor but got int64");
  EXPECT_EQ(error_of<DTypeError>([&] {
              einsum("ij,ij", {x, x.to(kFloat64)});
            }),
            "einsum: expected operands of the same dtype but got float32 and float64; convert one of them with to()");
}

TEST(ProductsTest, NamedProducts) {
  const Tensor a = random_tensor({2, 3}, kFloat64, 1);
  const Tensor b = random_tensor({3, 4}, kFloat64, 2);
  const Tensor x = random_tensor({4}, kFloat64, 3);
  const Numbers product = summed_by_loops({"ij", "jk"}, "ik", {a, b});
  const Numbers added = numbers(addmm(x, a, b, 0.5, 2.0));
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(numbers(mm(a, b))[i], product[i], 1e-14);
    EXPECT_NEAR(added[i], 0.5 * numbers(x)[i % 4] + 2 * product[i], 1e-14);
  }
  EXPECT_EQ(numbers(addmm(full({}, std::nan(""), {.dtype = kFloat64}), a, b, 0.0)), numbers(mm(a, b)));
  EXPECT_EQ(numbers(mv(a, a[0])), numbers(matmul(a, a[0])));
  const Tensor c = random_tensor({5, 2, 3}, kFloat64, 4);
  const Tensor d = random_tensor({5, 3, 2}, kFloat64, 5);
  EXPECT_EQ(numbers(bmm(c, d)), numbers(matmul(c, d)));
  EXPECT_EQ(numbers(baddbmm(ones({2, 1}, {.dtype = kFloat64}), c, d, 3.0)), numbers(matmul(c, d) + 3.0));
  EXPECT_EQ(dot(arange(4), arange(4)).item(), 14.0);
  const Tensor bytes = tensor({200, 3}, {.dtype = kUInt8});
  EXPECT_EQ(dot(bytes, bytes).dtype(), kUInt8);
  EXPECT_EQ(dot(bytes, bytes).item(), 73.0);  // 40009 - 156 * 256
  EXPECT_EQ(error_of<DTypeError>([&] { dot(bytes, arange(2)); }),
            "dot: expected operands of the same dtype but got uint8 and int64; convert one of them with to()");
  EXPECT_EQ(dot(zeros({0}), zeros({0})).item(), 0.0);
  EXPECT_EQ(numbers(outer(arange(2) + 1, arange(3))), (Numbers{0, 1, 2, 0, 2, 4}));
}

TEST(ProductsTest, Cross) {
  const Tensor e = eye(3);
  EXPECT_EQ(numbers(cross(e[0], e[1])), (Numbers{0, 0, 1}));
  const Tensor a = random_tensor({4, 3, 2}, kFloat64, 1);
  const Tensor b = random_tensor({3, 2}, kFloat64, 2);
  const Numbers u = numbers(a);
  const Numbers v = numbers(b);
  const Numbers y = numbers(cross(a, b));  // along axis 1
  const auto at = [](const Numbers& w, std::size_t n, std::size_t i, std::size_t j) {
    return w[n * 6 + i % 3 * 2 + j];
  };
  for (std::size_t n = 0; n < 4; ++n) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        EXPECT_NEAR(at(y, n, i, j), at(u, n, i + 1, j) * at(v, 0, i + 2, j) - at(u, n, i + 2, j) * at(v, 0, i + 1, j),
                    1e-15);
      }
    }
  }
  EXPECT_EQ(numbers(cross(a.transpose(1, 2), b.transpose(0, 1), -1)), numbers(cross(a, b).transpose(1, 2)));
}

TEST(ProductsTest, Errors) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(error_of<ShapeError>([&] { mm(x, x); }), "mm: expected [n, k] and [k, m] but got [2, 3] and [2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { mv(x, zeros({2})); }), "mv: expected [n, k] and [k] but got [2, 3] and [2]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              bmm(zeros({1, 2, 3}), zeros({2, 3, 2}));
            }),
            "bmm: expected [b, n, k] and [b, k, m] but got [1, 2, 3] and [2, 3, 2]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              addmm(zeros({3, 1}), x, zeros({3, 2}));
            }),
            "addmm: expected shapes that broadcast but got [3, 1] and [2, 2]; axes are compared from the last one on: "
            "add some with unsqueeze()");
  EXPECT_EQ(error_of<ShapeError>([&] {
              addmm(zeros({1, 2, 2}), x, zeros({3, 2}));
            }),
            "addmm: expected a first operand that broadcasts to [2, 2] but got [1, 2, 2]");
  EXPECT_EQ(error_of<ShapeError>([&] { dot(x, x); }),
            "dot: expected two vectors of the same length but got [2, 3] and [2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { outer(x, x[0]); }), "outer: expected two vectors but got [2, 3] and [3]");
  EXPECT_EQ(error_of<ShapeError>([&] { cross(x, x, 0); }),
            "cross: expected 3 elements along axis 0 but got [2, 3] and [2, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] { cross(zeros({2}), zeros({2})); }),
            "cross: expected an axis of 3 elements but got [2] and [2]");
}

TEST(DistanceTest, Values) {
  const Tensor a = random_tensor({4, 3}, kFloat64, 1);
  const Tensor b = random_tensor({5, 3}, kFloat64, 2);
  const Numbers u = numbers(a);
  const Numbers v = numbers(b);
  for (const double p : {1.0, 2.0, 3.0}) {
    const Numbers all = numbers(cdist(a, b, p));
    const Numbers pairs = numbers(pairwise_distance(a, b[0], p));
    const Numbers units = numbers(normalize(a, p));
    for (std::size_t i = 0; i < 4; ++i) {
      double length = 0.0;
      for (std::size_t k = 0; k < 3; ++k) {
        length += std::pow(std::abs(u[3 * i + k]), p);
      }
      for (std::size_t j = 0; j < 5; ++j) {
        double sum = 0.0;
        double moved = 0.0;
        for (std::size_t k = 0; k < 3; ++k) {
          sum += std::pow(std::abs(u[3 * i + k] - v[3 * j + k]), p);
          moved += std::pow(std::abs(u[3 * i + k] - v[3 * j + k] + 1e-6), p);
        }
        EXPECT_NEAR(all[5 * i + j], std::pow(sum, 1 / p), 1e-14);
        if (j == 0) {
          EXPECT_NEAR(pairs[i], std::pow(moved, 1 / p), 1e-14);
        }
      }
      for (std::size_t k = 0; k < 3; ++k) {
        EXPECT_NEAR(units[3 * i + k], u[3 * i + k] / std::pow(length, 1 / p), 1e-15);
      }
    }
  }
  EXPECT_EQ(cdist(zeros({2, 1, 3, 4}), zeros({5, 6, 4})).shape(), (Shape{2, 5, 3, 6}));
  EXPECT_EQ(cdist(zeros({0, 3}), b.to(kFloat32)).shape(), (Shape{0, 5}));
  EXPECT_EQ(pairwise_distance(a, a, 2.0, 1e-6, true).shape(), (Shape{4, 1}));
}

TEST(DistanceTest, Cosines) {
  const Tensor a = tensor({{1.0, 0.0}, {3.0, 4.0}, {0.0, 0.0}}, {.dtype = kFloat64});
  const Numbers y = numbers(cosine_similarity(a, tensor({2.0, 2.0}, {.dtype = kFloat64}), -1));
  EXPECT_NEAR(y[0], std::sqrt(0.5), 1e-15);
  EXPECT_NEAR(y[1], 7 * std::sqrt(0.5) / 5, 1e-15);
  EXPECT_EQ(y[2], 0.0);
  EXPECT_EQ(numbers(normalize(zeros({1, 2}))), (Numbers{0, 0}));
  // Equal rows have the distance 0, and a gradient of 0 there.
  Tensor x = tensor({{1.0, 2.0}, {1.0, 2.0}}, {.requires_grad = true});
  cdist(x, x).sum().backward();
  EXPECT_EQ(numbers(x.grad()), (Numbers{0, 0, 0, 0}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              cdist(a, zeros({2, 3}, {.dtype = kFloat64}));
            }),
            "cdist: expected [*, n, d] and [*, m, d] but got [3, 2] and [2, 3]");
  EXPECT_EQ(error_of<ValueError>([&] { cdist(a, a, -1.0); }), "cdist: expected p >= 0 but got -1");
  EXPECT_EQ(error_of<IndexError>([&] { normalize(zeros({3})); }), "normalize: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<IndexError>([&] { cosine_similarity(a[0], a[0]); }),
            "cosine_similarity: expected an axis in [-1, 0] but got 1");
  EXPECT_EQ(error_of<ShapeError>([&] { pairwise_distance(tensor(1.0), tensor(2.0)); }),
            "pairwise_distance: expected at least one axis but got [] and []");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
