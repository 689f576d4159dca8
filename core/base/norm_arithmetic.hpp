// The precision in which norms compute with float32 tensors.
#pragma once

#include "normgrad/core/base/dtype.hpp"

namespace normgrad {

/// Sets the arithmetic of norms of float32 tensors, for all threads. Throws ValueError for other dtypes.
/// kFloat32, the default, computes each element in float32, and adds up statistics and gradients in float64 after short
/// sums in float32: results have small multiples of the error of one rounding (docs/norms.md, Precision). kFloat64
/// computes everything in float64 and rounds once, so that results are the float32 numbers nearest to the exact ones;
/// it takes up to 2.5 times as long. With SSE2 norms are computed in float64 in any case. Norms of float64 tensors are
/// always computed in float64.
void set_norm_arithmetic(DType dtype);
DType norm_arithmetic() noexcept;

}  // namespace normgrad
