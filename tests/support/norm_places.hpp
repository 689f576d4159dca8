// The norms of the registry in every place where each can be used, for tests that all norms must pass. A new norm is
// tested automatically.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad::tests {

struct Place {
  std::string spec;
  std::int64_t spatial_dims;
};
inline void PrintTo(const Place& place, std::ostream* out) {
  *out << place.spec << " with " << place.spatial_dims << " axes";
}

inline constexpr std::int64_t kChannels = 40;

inline const NormEntry& entry_of(const Place& place) {
  for (const NormEntry& entry : norm_registry()) {
    if (place.spec == entry.name || place.spec.starts_with(entry.name + ":")) {
      return entry;
    }
  }
  throw ValueError("no such norm");
}

/// Returns all places; with `normalizing_only`, those of norms that normalize by default.
inline std::vector<Place> norm_places(bool normalizing_only = false) {
  std::vector<Place> all;
  for (const std::string& name : norm_names()) {
    for (std::int64_t spatial = 0; spatial <= 3; ++spatial) {
      if (is_norm_applicable(name, {.num_features = kChannels, .spatial_dims = spatial})) {
        all.push_back({name, spatial});
      }
    }
  }
  all.push_back({"group:4", 2});
  std::erase_if(all, [&](const Place& place) { return normalizing_only && !entry_of(place).normalizes; });
  if (!normalizing_only) {
    all.push_back({"ghost:2", 2});  // virtual batches depend on the order of the samples
    all.push_back({"iter:4", 2});
  }
  return all;
}

/// Returns the places of norms whose results are standardized sets of elements, see NormEntry.
inline std::vector<Place> standardizing_places() {
  std::vector<Place> all = norm_places(true);
  std::erase_if(all, [](const Place& place) { return !entry_of(place).standardizes; });
  return all;
}

inline std::string place_name(const testing::TestParamInfo<Place>& instance) {
  std::string name = instance.param.spec + "_" + std::to_string(instance.param.spatial_dims) + "d";
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name;
}

inline double largest(const Tensor& x) {
  double m = 0.0;
  for (const double v : x.to(kFloat64).to_vector<double>()) {
    m = std::max(m, std::fabs(v));
  }
  return m;
}
inline double distance(const Tensor& a, const Tensor& b) { return largest(a.detach() - b.detach()); }
inline std::vector<double> bits(const Tensor& x) { return x.detach().to(kFloat64).to_vector<double>(); }

class NormPlaceTest : public testing::TestWithParam<Place> {
 protected:
  /// Returns the norm as created by the registry: weight 1, bias 0.
  std::unique_ptr<Module> plain(DType dtype = kFloat64) const {
    return make_norm(GetParam().spec,
                     {.num_features = kChannels, .spatial_dims = GetParam().spatial_dims, .dtype = dtype});
  }
  /// Returns the norm with random parameters.
  std::unique_ptr<Module> make(DType dtype = kFloat64) const {
    std::unique_ptr<Module> norm = plain(dtype);
    std::uint32_t seed = 100;
    for (const auto& [name, parameter] : norm->named_parameters()) {
      const NoGradGuard no_grad;
      const Tensor values = tests::random_tensor(parameter.shape(), dtype, seed++);
      Tensor(parameter).copy_(name == "gate" ? sigmoid(values) : values);  // a gate has limits: kinks at 0 and 1
    }
    return norm;
  }
  const NormEntry& entry() const { return entry_of(GetParam()); }
  Shape shape(std::int64_t samples = 3) const {
    Shape s{samples, kChannels};
    const std::int64_t sizes[] = {3, 2, 2};
    for (std::int64_t i = 0; i < GetParam().spatial_dims; ++i) {
      s.push_back(sizes[i]);
    }
    return s;
  }
  Tensor input(std::uint32_t seed = 1, DType dtype = kFloat64, double mean = 3.0, double sigma = 0.2) const {
    return (tests::random_tensor(shape(), dtype, seed) * sigma + mean).detach();
  }
  Tensor gradient(DType dtype = kFloat64, std::uint32_t seed = 7) const {
    return tests::random_tensor(shape(), dtype, seed);
  }
};

}  // namespace normgrad::tests
