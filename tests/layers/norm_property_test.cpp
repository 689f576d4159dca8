// What every norm of the registry says about itself in its entry, and the identities that hold for all of them. A new
// norm is included automatically.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/norm_places.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::bits;
using tests::distance;
using tests::largest;

using Values = std::vector<double>;

// Statistics large enough that no eps matters, and inputs of order 1, where one that is large does.
constexpr double kLargeMean = 3e4;
constexpr double kLargeSigma = 2e4;

class EveryNormIdentity : public tests::NormPlaceTest {
 protected:
  Tensor large_input() const { return input(1, kFloat64, kLargeMean, kLargeSigma); }
  Tensor moderate_input() const { return input(1, kFloat64, 0.5, 1.0); }
  /// The gradient of <y, gradient()>.
  Tensor gradient_at(Module& norm, const Tensor& x) const {
    Tensor leaf = x.detach().requires_grad_();
    return grad({norm(leaf)}, {leaf}, {gradient()})[0];
  }
};

std::vector<tests::Place> normalizing_places() {
  std::vector<tests::Place> all = tests::norm_places();
  std::erase_if(all, [](const tests::Place& place) { return !tests::entry_of(place).normalizes; });
  return all;
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryNormIdentity, testing::ValuesIn(normalizing_places()), tests::place_name);

// The gradient of an invariant norm has no component along x (Euler), for any weights and any gradient of y. A loss of
// eps remains, which is far below 1e-7 here.
TEST_P(EveryNormIdentity, ReactsToAFactorAsItsEntrySays) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  const Tensor zero = (*norm)(zeros(shape(), {.dtype = kFloat64})).detach();
  const auto response = [&](const Tensor& x) { return ((*norm)(x)-zero).detach(); };
  const auto dot = [](const Tensor& a, const Tensor& b) { return sum(a.detach() * b.detach()).item(); };
  const Tensor x = large_input();
  const Tensor y = response(x);
  const Tensor gx = gradient_at(*norm, x);
  const double along = dot(gx, x);
  const double size = sum((gx.detach() * x).abs()).item();
  switch (entry().scaling) {
    case Scaling::invariant:
      EXPECT_LE(distance(response(x * 3.0), y), 1e-7 * largest(y));
      if (entry().exact_gradient) {
        EXPECT_LE(std::fabs(along), 1e-7 * size);
      }
      break;
    case Scaling::equivariant:
      EXPECT_LE(distance(response(x * 3.0), y * 3.0), 1e-7 * largest(y));
      EXPECT_NEAR(along, dot(gradient(), y), 1e-7 * size);
      break;
    case Scaling::other: {
      const Tensor moderate = moderate_input();
      const Tensor once = response(moderate);
      // The weakest is lrn, whose alpha of 1e-4 leaves it near to linear; eps has far less effect.
      EXPECT_GT(distance(response(moderate * 3.0), once), 1e-3 * largest(once));
      EXPECT_GT(distance(response(moderate * 3.0), once * 3.0), 1e-3 * largest(once));
      break;
    }
  }
}

TEST_P(EveryNormIdentity, ReactsToAShiftAsItsEntrySays) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  const Tensor x = moderate_input();
  const Tensor y = (*norm)(x).detach();
  const Tensor gx = gradient_at(*norm, x);
  const double shift = distance((*norm)(x + 1.5), y);
  const double along = std::fabs(sum(gx).item());
  const double size = sum(gx.abs()).item();
  if (entry().centers) {
    EXPECT_LE(shift, 1e-11 * largest(y));
    EXPECT_LE(along, 1e-11 * size);
  } else {
    EXPECT_GT(shift, 1e-2 * largest(y));
    EXPECT_GT(along, 1e-6 * size);
  }
}

TEST_P(EveryNormIdentity, IsOddIfItsEntrySaysSo) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  for (const Tensor& x : {input(), moderate_input()}) {
    const Tensor y = (*norm)(x).detach();
    const Tensor even_part = ((*norm)(-x) + y - (*norm)(zeros(shape(), {.dtype = kFloat64})) * 2.0).detach();
    if (entry().odd) {
      EXPECT_LE(largest(even_part), 1e-13 * (1 + largest(y)));
    } else {
      EXPECT_GT(largest(even_part), 1e-2 * largest(y));
    }
  }
}

TEST_P(EveryNormIdentity, N10_CommutesWithPermutationsOfTheBatchAndOfPositions) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  const Tensor x = input();
  double of_positions = 0.0;
  for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
    if (axis == 1) {
      continue;
    }
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < x.size(axis); ++i) {
      order.push_back((i + 1) % x.size(axis));
    }
    const Tensor index = from_vector(order, {x.size(axis)});
    const double change = distance((*norm)(x.index_select(axis, index)), (*norm)(x).index_select(axis, index));
    if (axis == 0 && GetParam().spec.starts_with("ghost:")) {
      EXPECT_GT(change, 1e-3);  // virtual batches are of consecutive samples
    } else if (axis == 0 || entry().commutes_with_positions) {
      EXPECT_LE(change, 1e-12) << axis;
    } else {
      of_positions = std::max(of_positions, change);
    }
  }
  if (!entry().commutes_with_positions && x.dim() > 2) {
    EXPECT_GT(of_positions, 1e-3);
  }
}

TEST_P(EveryNormIdentity, N18_SamplesAreIndependentBitForBit) {
  const auto norm = make();
  const auto run = [&](const Tensor& samples, const Tensor& gy) {
    Tensor x = samples.detach().requires_grad_();
    const Tensor y = (*norm)(x);
    return std::pair{bits(y), bits(grad({y}, {x}, {gy})[0])};
  };
  const auto [y, gx] = run(input(), gradient());
  const auto size = static_cast<std::ptrdiff_t>(y.size() / 3);
  if (entry().independent_samples) {
    const auto [y1, gx1] = run(input().narrow(0, 1, 1), gradient().narrow(0, 1, 1));
    EXPECT_EQ(y1, Values(y.begin() + size, y.begin() + 2 * size));
    EXPECT_EQ(gx1, Values(gx.begin() + size, gx.begin() + 2 * size));
  } else {
    // The first sample's result depends on the others, and so do their gradients.
    const auto [other, unused] = run(cat({input().narrow(0, 0, 1), input(9).narrow(0, 1, 2)}), gradient());
    EXPECT_NE(Values(other.begin(), other.begin() + size), Values(y.begin(), y.begin() + size));
    const Tensor of_first = cat({gradient().narrow(0, 0, 1), zeros_like(gradient().narrow(0, 1, 2))});
    EXPECT_GT(largest(from_vector(run(input(), of_first).second, shape()).narrow(0, 1, 2)), 1e-3);
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
