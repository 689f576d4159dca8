#include <math.h>  // NOLINT(modernize-deprecated-headers): std's functions are inline

#include "normgrad/core/kernels/elementwise/unary.hpp"
#include "normgrad/core/simd/detail/row.hpp"
#include "normgrad/core/simd/detail/trigonometry.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

void sines(bool cosine, const float* x, float* y, std::int64_t n) {
  using B = Batch<float>;
  const B limit(QuarterTurns::kLimit);
  const float before = cosine ? 1.0F : 0.0F;
  each_vector<float>(n, [&](std::int64_t i, std::int64_t count) {
    const B v = load_lanes(x + i, count, 0.0F);
    if (xsimd::all(xsimd::abs(v) <= limit)) {
      store_lanes<float>(y + i, vsin(v, before), count);
      return;
    }
    // The C library reduces arguments of any size exactly. y may be x.
    alignas(64) float lanes[static_cast<std::size_t>(kLanes<float>)];
    alignas(64) float results[static_cast<std::size_t>(kLanes<float>)];
    v.store_aligned(lanes);
    vsin(v, before).store_aligned(results);
    for (std::int64_t k = 0; k < count; ++k) {
      const bool small = lanes[k] <= QuarterTurns::kLimit && lanes[k] >= -QuarterTurns::kLimit;
      y[i + k] = small ? results[k] : cosine ? ::cosf(lanes[k]) : ::sinf(lanes[k]);
    }
  });
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
