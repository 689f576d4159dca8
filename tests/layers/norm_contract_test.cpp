// What every norm of the registry has to do, in every place where it can stand: a new norm is tested by being there.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradients.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/arithmetic.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape.hpp"
#include "normgrad/layers/norm/registry.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {
namespace {

using testing_support::gradients_agree;

struct Place {
  std::string spec;
  std::int64_t spatial_dims;
};
void PrintTo(const Place& place, std::ostream* out) { *out << place.spec << " with " << place.spatial_dims << " axes"; }

constexpr std::int64_t kChannels = 40;

std::vector<Place> places() {
  std::vector<Place> all;
  for (const std::string& name : norm_names()) {
    for (std::int64_t spatial = 0; spatial <= 3; ++spatial) {
      if (is_norm_applicable(name, {.num_features = kChannels, .spatial_dims = spatial})) {
        all.push_back({name, spatial});
      }
    }
  }
  all.push_back({"group:4", 2});
  return all;
}

class NormContractTest : public testing::TestWithParam<Place> {
 protected:
  std::unique_ptr<Module> make(DType dtype = kFloat64) const {
    std::unique_ptr<Module> norm = make_norm(
        GetParam().spec, {.num_features = kChannels, .spatial_dims = GetParam().spatial_dims, .dtype = dtype});
    std::uint32_t seed = 100;
    for (Tensor& parameter : norm->parameters()) {
      const NoGradGuard no_grad;
      parameter.copy_(test::random_tensor(parameter.shape(), dtype, seed++));
    }
    return norm;
  }
  const NormEntry& entry() const {
    for (const NormEntry& e : norm_registry()) {
      if (GetParam().spec.starts_with(e.name)) {
        return e;
      }
    }
    throw ValueError("no such norm");
  }
  Shape shape(std::int64_t samples = 3) const {
    Shape s{samples, kChannels};
    const std::int64_t sizes[] = {3, 2, 2};
    for (std::int64_t i = 0; i < GetParam().spatial_dims; ++i) {
      s.push_back(sizes[i]);
    }
    return s;
  }
  Tensor input(std::uint32_t seed = 1, DType dtype = kFloat64) const {
    return (test::random_tensor(shape(), dtype, seed) * 0.2 + 3.0).detach();
  }
  Tensor gradient(DType dtype = kFloat64) const { return test::random_tensor(shape(), dtype, 7); }
};

INSTANTIATE_TEST_SUITE_P(Registry, NormContractTest, testing::ValuesIn(places()), [](const auto& instance) {
  std::string name = instance.param.spec + "_" + std::to_string(instance.param.spatial_dims) + "d";
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
});

double largest(const Tensor& x) {
  double m = 0.0;
  for (const double v : x.to(kFloat64).to_vector<double>()) {
    m = std::max(m, std::fabs(v));
  }
  return m;
}
double distance(const Tensor& a, const Tensor& b) { return largest(a.detach() - b.detach()); }
std::vector<double> bits(const Tensor& x) { return x.detach().to(kFloat64).to_vector<double>(); }

TEST_P(NormContractTest, KeepsShapeDtypeAndInput) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const auto norm = make(dtype);
    const Tensor x = input(1, dtype);
    const std::vector<double> before = bits(x);
    const Tensor y = (*norm)(x);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_EQ(bits(x), before);
    EXPECT_TRUE(std::isfinite(largest(y)));
  }
}

TEST_P(NormContractTest, GradientsInTrainingAndEval) {
  const auto norm = make();
  (*norm)(input(2));
  for (const bool training : {true, false}) {
    norm->train(training);
    const FreezeStatisticsGuard guard;
    std::vector<Tensor> inputs = {input().requires_grad_()};
    for (const Tensor& parameter : norm->parameters()) {
      inputs.push_back(parameter);
    }
    EXPECT_TRUE(gradients_agree([&](const auto& in) { return (*norm)(in[0]); }, inputs, 2, {.max_elements = 8}));
  }
}

TEST_P(NormContractTest, OrdersThreeAndFour) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  for (const int order : {3, 4}) {
    const GradCheckReport report =
        gradcheck_order([&](const auto& in) { return (*norm)(in[0]); }, {input().requires_grad_()}, order,
                        {.rtol = 1e-6, .atol = 1e-6, .allow_degenerate = true, .max_elements = 4});
    EXPECT_TRUE(report.passed) << report;
  }
}

TEST_P(NormContractTest, EverySubsetOfGradientsIsTheSame) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  std::vector<Tensor> all = {input().requires_grad_()};
  for (const Tensor& parameter : norm->parameters()) {
    all.push_back(parameter);
  }
  const std::vector<Tensor> together = grad({(*norm)(all[0])}, all, {gradient()});
  for (unsigned wanted = 1; wanted < 1U << all.size(); ++wanted) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].requires_grad_((wanted >> i & 1U) != 0);
    }
    const Tensor y = (*norm)(all[0]);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].requires_grad()) {
        EXPECT_EQ(bits(grad({y}, {all[i]}, {gradient()}, {.retain_graph = true})[0]), bits(together[i]));
      }
    }
  }
}

TEST_P(NormContractTest, AccumulatesIntoFilledGradients) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  Tensor x = input().requires_grad_();
  const Tensor expected = grad({(*norm)(x)}, {x}, {gradient()})[0];
  x.set_grad(full_like(x.detach(), 0.5));
  (*norm)(x).backward(gradient());
  EXPECT_LE(distance(x.grad(), expected + 0.5), 1e-14 * (1 + largest(expected)));
}

TEST_P(NormContractTest, CloneStateAndConversion) {
  const auto norm = make();
  (*norm)(input(2));
  const auto copy = norm->clone();
  const auto loaded = make();
  loaded->load_state_dict(norm->state_dict());
  for (Module* module : {norm.get(), copy.get(), loaded.get()}) {
    module->eval();
  }
  EXPECT_EQ(bits((*copy)(input())), bits((*norm)(input())));
  EXPECT_EQ(bits((*loaded)(input())), bits((*norm)(input())));
  const std::vector<double> before = bits((*norm)(input()));
  for (const Tensor& tensor : copy->parameters()) {
    tensor.detach().fill_(5.0);
  }
  EXPECT_EQ(bits((*norm)(input())), before);
  copy->to(kFloat32);
  EXPECT_EQ((*copy)(input(1, kFloat32)).dtype(), kFloat32);
  EXPECT_EQ(to_string(*norm).find(norm->type_name()), 0U);
}

TEST_P(NormContractTest, EvalChangesNothingAndIsRepeatable) {
  const auto norm = make();
  (*norm)(input(2));
  norm->eval();
  std::vector<std::vector<double>> before;
  for (const Tensor& buffer : norm->buffers()) {
    before.push_back(bits(buffer));
  }
  const std::vector<double> first = bits((*norm)(input()));
  (*norm)(input(3));
  EXPECT_EQ(bits((*norm)(input())), first);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(bits(norm->buffers()[i]), before[i]);
  }
}

TEST_P(NormContractTest, Law3ShiftAndLaw4ScaleAndLaw9Oddness) {
  const auto norm = make_norm(GetParam().spec, {kChannels, GetParam().spatial_dims, kFloat64});
  const Tensor x = (test::random_tensor(shape(), kFloat64, 1) * 5.0 + 3.0).detach();
  const Tensor y = (*norm)(x);
  if (!entry().normalises) {
    EXPECT_EQ(bits(y), bits(x));
    return;
  }
  if (entry().centres) {
    EXPECT_LE(distance((*norm)(x + 11.0), y), 1e-9);
  } else {
    EXPECT_GT(distance((*norm)(x + 11.0), y), 1e-3);
  }
  EXPECT_LE(distance((*norm)(-x), -y), 1e-12);
  // N_eps(a x) is N_{eps/a^2}(x): eps counts at most eps / 2v, and v is above 1e-2 here.
  EXPECT_LE(distance((*norm)(x * 4.0), y), 5e-3 * largest(y));
  EXPECT_GT(distance((*norm)(x * 4.0), x * 4.0), 1.0);
}

TEST_P(NormContractTest, Law12TheGradientOfACentredNormSumsToZero) {
  const auto norm = make();
  const Tensor x = input().requires_grad_();
  const Tensor gx = grad({(*norm)(x)}, {x}, {gradient()})[0];
  if (!entry().normalises) {
    EXPECT_EQ(bits(gx), bits(gradient()));
    return;
  }
  double sum = 0.0;
  double size = 0.0;
  for (const double v : bits(gx)) {
    sum += v;
    size += std::fabs(v);
  }
  if (entry().centres) {
    EXPECT_LE(std::fabs(sum), 1e-12 * size);
  } else {
    EXPECT_GT(std::fabs(sum), 1e-6 * size);
  }
}

TEST_P(NormContractTest, Law18SamplesAreIndependentBitForBit) {
  const auto norm = make();
  const auto run = [&](const Tensor& samples, const Tensor& gy) {
    Tensor x = samples.detach().requires_grad_();
    const Tensor y = (*norm)(x);
    return std::pair{bits(y), bits(grad({y}, {x}, {gy})[0])};
  };
  const auto [y, gx] = run(input(), gradient());
  const std::size_t size = y.size() / 3;
  if (entry().independent_samples) {
    const auto [y1, gx1] = run(input().narrow(0, 1, 1), gradient().narrow(0, 1, 1));
    EXPECT_EQ(y1, std::vector<double>(y.begin() + static_cast<std::ptrdiff_t>(size),
                                      y.begin() + static_cast<std::ptrdiff_t>(2 * size)));
    EXPECT_EQ(gx1, std::vector<double>(gx.begin() + static_cast<std::ptrdiff_t>(size),
                                       gx.begin() + static_cast<std::ptrdiff_t>(2 * size)));
  } else {
    const auto [other, unused] = run(cat({input().narrow(0, 0, 2), input(9).narrow(0, 2, 1)}), gradient());
    EXPECT_NE(other.front(), y.front());
  }
}

TEST_P(NormContractTest, Law10CommutesWithPermutationsOfTheBatch) {
  const auto norm = make();
  const FreezeStatisticsGuard guard;
  const Tensor order = tensor({2, 0, 1}, {.dtype = kInt64});
  EXPECT_LE(distance((*norm)(input().index_select(0, order)), (*norm)(input()).index_select(0, order)), 1e-12);
}

TEST_P(NormContractTest, ConstantInputGivesBetaAndFiniteGradients) {
  for (const double value : {0.1, 1e6 + 0.1, 1e30, 1e-30}) {
    const auto norm = make(kFloat32);
    Tensor x = full(shape(), value).requires_grad_();
    const Tensor y = (*norm)(x);
    EXPECT_TRUE(std::isfinite(largest(y))) << value;
    if (entry().centres) {
      const std::vector<float> beta = norm->state_dict().at("bias").to_vector<float>();
      const std::vector<float> values = y.to_vector<float>();
      const std::size_t positions = values.size() / (3 * beta.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], beta[i / positions % beta.size()]) << value;
      }
    }
    EXPECT_TRUE(std::isfinite(largest(grad({y}, {x}, {gradient(kFloat32)})[0])));
  }
}

TEST_P(NormContractTest, SameBitsForAnyNumberOfThreads) {
  const int before = get_num_threads();
  const auto norm = make(kFloat32);
  const FreezeStatisticsGuard guard;
  Shape large = shape(64);
  for (std::size_t i = 2; i < large.rank(); ++i) {
    large[i] = 9;
  }
  Tensor x = test::random_tensor(large, kFloat32, 1).requires_grad_();
  const Tensor gy = test::random_tensor(large, kFloat32, 2);
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    norm->zero_grad();
    x.set_grad({});
    const Tensor y = (*norm)(x);
    y.backward(gy);
    std::vector<double> all = bits(y);
    for (const Tensor& t : norm->parameters()) {
      const std::vector<double> g = bits(t.grad());
      all.insert(all.end(), g.begin(), g.end());
    }
    const std::vector<double> gx = bits(x.grad());
    all.insert(all.end(), gx.begin(), gx.end());
    results.push_back(std::move(all));
  }
  set_num_threads(before);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

}  // namespace
}  // namespace normgrad
