// Norms whose evaluation with running statistics is a scale and a shift of each channel.
#pragma once

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad::detail {

/// Returns a norm that fold() can merge into the preceding layer; null for other modules, and for derived classes,
/// which may override forward.
RunningStatsNorm* known_norm(Module& module);
/// Whether a known norm accepts features [N, C].
bool takes_features(const RunningStatsNorm& norm);

}  // namespace normgrad::detail
