#include "normgrad/layers/norm/is_norm.hpp"

#include "normgrad/layers/norm/norm_layer.hpp"

namespace normgrad {

bool is_norm(const Module& module) noexcept { return dynamic_cast<const NormLayer*>(&module) != nullptr; }

}  // namespace normgrad
