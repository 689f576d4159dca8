#include "normgrad/core/kernels/elementwise/mask.hpp"

#include <bit>
#include <type_traits>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void scale_masked(const T* x, const bool* keep, T scale, T* y, std::int64_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  parallel_for(n, 32768, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      // Branch-free, because the branch would be unpredictable.
      y[i] = std::bit_cast<T>(std::bit_cast<Bits>(scale * x[i]) & (Bits(0) - Bits(keep[i])));
    }
  });
}
template void scale_masked(const float*, const bool*, float, float*, std::int64_t);
template void scale_masked(const double*, const bool*, double, double*, std::int64_t);

}  // namespace normgrad::kernels
