// The norms by definition: plain loops in long double over sets of elements. Start here to read this folder; the other
// files compute the same fast. The tests compare the kernels with it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace normgrad::kernels {

using Reals = std::vector<long double>;

/// A norm is a division of the elements into sets that share a statistic, and an assignment of affine parameters.
/// BatchNorm of x: [N, C, L], for example, has C sets and C parameters, and set_of(i) = param_of(i) = i / L % C.
struct ReferenceNorm {
  std::int64_t elements;
  std::int64_t sets;
  std::int64_t params;
  std::function<std::int64_t(std::int64_t)> set_of;    ///< element -> set
  std::function<std::int64_t(std::int64_t)> param_of;  ///< element -> parameter
  long double eps;
  bool center = true;  ///< false (RMSNorm): mean is 0 and var the mean square
};

struct ReferenceResult {
  Reals y, mean, var, rstd, gx, ggamma, gbeta;
};

/// x and gy have an element each, gamma and beta a parameter each. An empty set has NaN statistics.
ReferenceResult reference_norm(const ReferenceNorm& norm, const Reals& x, const Reals& gy, const Reals& gamma,
                               const Reals& beta);

}  // namespace normgrad::kernels
