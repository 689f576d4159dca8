#include "normgrad/core/kernels/adaptive_step.hpp"

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {
constexpr std::int64_t kAdaptiveBlock = std::int64_t{1} << 12;
}

template <class T, class Step>
void adaptive_step(const StepJob<T, Step>& job, std::int64_t n) {
  using Job = StepJob<T, Step>;
  const auto run = NORMGRAD_SIMD_SELECT(adaptive_step<Job>);
  parallel_for(n, even_blocks(n, kAdaptiveBlock), [&](std::int64_t begin, std::int64_t end) { run(job, begin, end); });
}

template void adaptive_step(const StepJob<float, NadamStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, NadamStep>&, std::int64_t);
template void adaptive_step(const StepJob<float, RadamStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, RadamStep>&, std::int64_t);
template void adaptive_step(const StepJob<float, RmspropStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, RmspropStep>&, std::int64_t);
template void adaptive_step(const StepJob<float, AdagradStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, AdagradStep>&, std::int64_t);
template void adaptive_step(const StepJob<float, AdadeltaStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, AdadeltaStep>&, std::int64_t);
template void adaptive_step(const StepJob<float, AdamaxStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, AdamaxStep>&, std::int64_t);
template void adaptive_step(const StepJob<float, LionStep>&, std::int64_t);
template void adaptive_step(const StepJob<double, LionStep>&, std::int64_t);

}  // namespace normgrad::kernels
