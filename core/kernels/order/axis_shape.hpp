// A dense array around one of its axes.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

struct AxisShape {
  std::int64_t outer;  ///< product of the sizes before the axis
  std::int64_t n;      ///< size of the axis
  std::int64_t inner;  ///< product of the sizes after the axis
};

}  // namespace normgrad::kernels
