// Norms whose evaluation with running statistics is a scale and a shift of each channel.
#pragma once

#include <string>

#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad::detail {

/// Returns a norm that fold() can merge into the preceding layer; null for other modules, and for derived classes,
/// which may override forward.
RunningStatsNorm* known_norm(Module& module);
/// Why a norm is not a known one.
std::string reason_unknown(const Module& norm);

}  // namespace normgrad::detail
