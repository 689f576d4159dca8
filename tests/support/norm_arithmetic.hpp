// Sets the arithmetic of the norms for a scope.
#pragma once

#include "normgrad/core/base/norm_arithmetic.hpp"

namespace normgrad::tests {

class UsedNormArithmetic {
 public:
  explicit UsedNormArithmetic(DType dtype) : before_(norm_arithmetic()) { set_norm_arithmetic(dtype); }
  UsedNormArithmetic(const UsedNormArithmetic&) = delete;
  UsedNormArithmetic& operator=(const UsedNormArithmetic&) = delete;
  ~UsedNormArithmetic() { set_norm_arithmetic(before_); }

 private:
  DType before_;
};

}  // namespace normgrad::tests
