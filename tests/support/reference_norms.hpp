// The reference of the norm kernels for values of any type.
#pragma once

#include <vector>

#include "normgrad/core/kernels/norm/reference.hpp"

namespace normgrad::tests {

using kernels::Reals;
using kernels::ReferenceNorm;
using kernels::ReferenceResult;

template <class T>
Reals reals(const std::vector<T>& values) {
  return Reals(values.begin(), values.end());
}

template <class T>
ReferenceResult reference_norm(const ReferenceNorm& norm, const std::vector<T>& x, const std::vector<T>& gy,
                               const std::vector<T>& gamma, const std::vector<T>& beta) {
  return kernels::reference_norm(norm, reals(x), reals(gy), reals(gamma), reals(beta));
}

}  // namespace normgrad::tests
