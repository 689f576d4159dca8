// Integers as entries of a StateDict.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

inline Tensor whole_numbers(const std::vector<std::int64_t>& values) {
  Tensor tensor = Tensor::empty({static_cast<std::int64_t>(values.size())}, kInt64);
  std::copy(values.begin(), values.end(), tensor.mutable_data<std::int64_t>());
  return tensor;
}

inline Tensor whole_number(std::int64_t value) {
  Tensor tensor = Tensor::empty({}, kInt64);
  *tensor.mutable_data<std::int64_t>() = value;
  return tensor;
}

}  // namespace normgrad::detail
