#include "normgrad/train/detail/known_norm.hpp"

#include <typeinfo>

#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/batch_renorm.hpp"
#include "normgrad/layers/norm/ghost_batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad::detail {

namespace {

template <class... Modules>
bool is_one_of(const Module& module) {
  const std::type_info& type = typeid(module);
  return (... || (type == typeid(Modules)));
}

}  // namespace

RunningStatsNorm* known_norm(Module& module) {
  const bool is_known =
      is_one_of<BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, BatchRenorm1d,
                BatchRenorm2d, BatchRenorm3d, GhostBatchNorm1d, GhostBatchNorm2d, GhostBatchNorm3d>(module);
  return is_known ? static_cast<RunningStatsNorm*>(&module) : nullptr;
}

bool takes_features(const RunningStatsNorm& norm) {
  return is_one_of<BatchNorm1d, BatchRenorm1d, GhostBatchNorm1d>(norm);
}

}  // namespace normgrad::detail
