#include "normgrad/train/detail/known_norm.hpp"

#include <typeinfo>

#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/batch_renorm.hpp"
#include "normgrad/layers/norm/dynamic_tanh.hpp"
#include "normgrad/layers/norm/ghost_batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad::detail {

namespace {

template <class... Modules>
bool is_one_of(const Module& module) {
  const std::type_info& type = typeid(module);
  return (... || (type == typeid(Modules)));
}

template <class... Bases>
bool is_derived_from(const Module& module) {
  return (... || (dynamic_cast<const Bases*>(&module) != nullptr));
}

}  // namespace

RunningStatsNorm* known_norm(Module& module) {
  const bool is_known =
      is_one_of<BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, BatchRenorm1d,
                BatchRenorm2d, BatchRenorm3d, GhostBatchNorm1d, GhostBatchNorm2d, GhostBatchNorm3d>(module);
  return is_known ? static_cast<RunningStatsNorm*>(&module) : nullptr;
}

std::string reason_unknown(const Module& norm) {
  if (is_one_of<DynamicTanh>(norm)) {
    return "a " + norm.type_name() + " is not affine";
  }
  if (dynamic_cast<const RunningStatsNorm*>(&norm) == nullptr) {
    return "a " + norm.type_name() + " normalizes each sample with its own statistics";
  }
  return is_derived_from<BatchNorm, InstanceNorm, BatchRenorm, GhostBatchNorm>(norm)
             ? "a class derived from a norm may have a forward of its own"
             : "a " + norm.type_name() + " may compute more than a scale and a shift of each channel";
}

}  // namespace normgrad::detail
