#include "normgrad/core/kernels/elementwise/unary.hpp"

#include <cmath>
#include <type_traits>

#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

std::int64_t least_of(UnaryOp op) {
  switch (op) {
    case UnaryOp::neg:
    case UnaryOp::abs:
    case UnaryOp::sign:
    case UnaryOp::square:
    case UnaryOp::relu:
    case UnaryOp::leaky_relu:
    case UnaryOp::clamp:
      return std::int64_t{1} << 14;
    default:
      return std::int64_t{1} << 11;
  }
}

}  // namespace

template <class T>
void unary(UnaryOp op, UnaryParams params, const T* x, T* y, std::int64_t n) {
  parallel_for(n, even_blocks(n, least_of(op)), [&](std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      if (op == UnaryOp::sin || op == UnaryOp::cos) {
        return NORMGRAD_SIMD_SELECT(sines)(op == UnaryOp::cos, x + begin, y + begin, end - begin);
      }
    } else if (op == UnaryOp::sin || op == UnaryOp::cos) {
      for (std::int64_t i = begin; i < end; ++i) {
        y[i] = op == UnaryOp::sin ? std::sin(x[i]) : std::cos(x[i]);
      }
      return;
    }
    NORMGRAD_SIMD_SELECT(unary<T>)(op, params, x + begin, y + begin, end - begin);
  });
}

template <class T>
void unary_grad(UnaryGrad op, UnaryParams params, const T* s, const T* gy, T* gx, std::int64_t n) {
  parallel_for(n, std::int64_t{1} << 15, [&](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(unary_grad<T>)(op, params, s + begin, gy + begin, gx + begin, end - begin);
  });
}

template void unary(UnaryOp, UnaryParams, const float*, float*, std::int64_t);
template void unary(UnaryOp, UnaryParams, const double*, double*, std::int64_t);
template void unary_grad(UnaryGrad, UnaryParams, const float*, const float*, float*, std::int64_t);
template void unary_grad(UnaryGrad, UnaryParams, const double*, const double*, double*, std::int64_t);

}  // namespace normgrad::kernels
