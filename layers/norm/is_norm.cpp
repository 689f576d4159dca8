#include "normgrad/layers/norm/is_norm.hpp"

#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad {

bool is_norm(const Module& module) noexcept {
  const Module* m = &module;
  return dynamic_cast<const RunningStatsNorm*>(m) != nullptr || dynamic_cast<const GroupNorm*>(m) != nullptr ||
         dynamic_cast<const LayerNorm*>(m) != nullptr || dynamic_cast<const RMSNorm*>(m) != nullptr ||
         dynamic_cast<const LocalResponseNorm*>(m) != nullptr;
}

}  // namespace normgrad
