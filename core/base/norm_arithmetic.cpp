#include "normgrad/core/base/norm_arithmetic.hpp"

#include <atomic>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

namespace {
std::atomic<DType>& current_norm_arithmetic() {
  static std::atomic<DType> dtype{kFloat32};
  return dtype;
}
}  // namespace

void set_norm_arithmetic(DType dtype) {
  require<ValueError>(dtype == kFloat32 || dtype == kFloat64,
                      "set_norm_arithmetic: expected float32 or float64 but got ", dtype);
  current_norm_arithmetic() = dtype;
}

DType norm_arithmetic() noexcept { return current_norm_arithmetic().load(std::memory_order_relaxed); }

}  // namespace normgrad
