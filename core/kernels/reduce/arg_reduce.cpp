#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/reduce/reduce.hpp"

namespace normgrad::kernels {

namespace {

template <class T>
bool beats(bool largest, T x, T best) {
  if (best != best) {  // keeps the first NaN
    return false;
  }
  return x != x || (largest ? x > best : x < best);
}

}  // namespace

template <class T>
void arg_reduce(bool largest, const T* x, std::int64_t* y, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  parallel_for(outer * inner, (std::int64_t{1} << 14) / n + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const T* from = x + at / inner * n * inner + at % inner;
      std::int64_t best = 0;
      for (std::int64_t i = 1; i < n; ++i) {
        if (beats(largest, from[i * inner], from[best * inner])) {
          best = i;
        }
      }
      y[at] = best;
    }
  });
}

template void arg_reduce(bool, const float*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t);
template void arg_reduce(bool, const double*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t);
template void arg_reduce(bool, const std::int64_t*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t);

}  // namespace normgrad::kernels
