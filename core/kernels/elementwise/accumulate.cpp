#include "normgrad/core/kernels/elementwise/accumulate.hpp"

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

template <class T>
void accumulate(const T* x, T* y, std::int64_t n) {
  constexpr std::int64_t kGrain = std::int64_t{1} << 14;
  const auto run = NORMGRAD_SIMD_SELECT(accumulate<T>);
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) { run(x + begin, y + begin, end - begin); });
}

template void accumulate<float>(const float*, float*, std::int64_t);
template void accumulate<double>(const double*, double*, std::int64_t);

}  // namespace normgrad::kernels
