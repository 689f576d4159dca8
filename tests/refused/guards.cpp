// A guard without a name must not compile silently, because it ends at once. See momentum.cpp for how the cases are
// run.
#include "normgrad/core/autograd/anomaly.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/serial.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

using namespace normgrad;

int main() {
#if NORMGRAD_CASE == 0  // correct uses, so that the others do not fail for another reason
  const NoGradGuard no_grad;
  const GradModeGuard grad(true);
  const DetectAnomalyGuard anomalies;
  const FreezeStatisticsGuard frozen;
  const SerialSection serial;
#elif NORMGRAD_CASE == 1
  NoGradGuard();
#elif NORMGRAD_CASE == 2
  GradModeGuard(true);
#elif NORMGRAD_CASE == 3
  DetectAnomalyGuard();
#elif NORMGRAD_CASE == 4
  FreezeStatisticsGuard();
#elif NORMGRAD_CASE == 5
  SerialSection();
#elif NORMGRAD_CASE == 6
  NoGradGuard{};
#endif
}
