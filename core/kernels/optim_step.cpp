#include "normgrad/core/kernels/optim_step.hpp"

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {
constexpr std::int64_t kUpdateBlock = std::int64_t{1} << 14;
}

template <class T>
void sgd_step(T* p, const T* gradient, T* buffer, std::int64_t n, const SgdStep& step) {
  const auto run = NORMGRAD_SIMD_SELECT(sgd_step<T>);
  parallel_for(n, even_blocks(n, kUpdateBlock), [&](std::int64_t begin, std::int64_t end) {
    run(p + begin, gradient + begin, buffer == nullptr ? nullptr : buffer + begin, end - begin, step);
  });
}

template <class T>
void adam_step(T* p, const T* gradient, T* m, T* v, T* vmax, std::int64_t n, const AdamStep& step) {
  const auto run = NORMGRAD_SIMD_SELECT(adam_step<T>);
  parallel_for(n, even_blocks(n, kUpdateBlock), [&](std::int64_t begin, std::int64_t end) {
    run(p + begin, gradient + begin, m + begin, v + begin, vmax == nullptr ? nullptr : vmax + begin, end - begin, step);
  });
}

template void sgd_step<float>(float*, const float*, float*, std::int64_t, const SgdStep&);
template void sgd_step<double>(double*, const double*, double*, std::int64_t, const SgdStep&);
template void adam_step<float>(float*, const float*, float*, float*, float*, std::int64_t, const AdamStep&);
template void adam_step<double>(double*, const double*, double*, double*, double*, std::int64_t, const AdamStep&);

}  // namespace normgrad::kernels
