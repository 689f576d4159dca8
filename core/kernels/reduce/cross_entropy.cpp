#include "normgrad/core/kernels/reduce/cross_entropy.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

std::int64_t rows_per_task(std::int64_t classes) { return std::max<std::int64_t>(1, 16384 / classes); }

template <class T>
T weight_of(const CrossEntropyRows<T>& in, std::int64_t c) {
  return in.weight == nullptr ? T(1) : in.weight[c];
}

// weight * surprise; a class with weight 0 contributes nothing, even with infinite surprise.
template <class T>
T weighted(T weight, T surprise) {
  return weight == 0 && std::isinf(surprise) ? T(0) : weight * surprise;
}

// sum_c w[c] (logsumexp - x[c])
template <class T>
T smooth_loss(const CrossEntropyRows<T>& in, const T* x, T logsumexp) {
  T sum = 0;
  for (std::int64_t c = 0; c < in.classes; ++c) {
    sum += weighted(weight_of(in, c), logsumexp - x[c]);
  }
  return sum;
}

}  // namespace

template <class T>
void cross_entropy_forward(const CrossEntropyRows<T>& in, T* loss, T* logsumexp) {
  const auto row_sums = NORMGRAD_SIMD_SELECT(max_and_exp_sum<T>);
  const auto hit = static_cast<T>(1.0 - in.smoothing);
  const auto spread = static_cast<T>(in.smoothing / static_cast<double>(in.classes));
  parallel_for(in.rows, rows_per_task(in.classes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* x = in.x + i * in.classes;
      T max = 0;
      T sum = 0;
      row_sums(x, in.classes, &max, &sum);
      const T log_sum = max + std::log(sum);
      logsumexp[i] = log_sum;
      const std::int64_t t = in.target[i];
      if (t == in.ignore_index) {
        loss[i] = 0;
        continue;
      }
      loss[i] = weighted(hit * weight_of(in, t), log_sum - x[t]);
      if (spread != 0) {
        loss[i] += spread * smooth_loss(in, x, log_sum);
      }
    }
  });
}

template <class T>
void cross_entropy_backward(const CrossEntropyRows<T>& in, const T* logsumexp, const T* gy, T* gx) {
  const auto scaled_row_exp = NORMGRAD_SIMD_SELECT(scaled_exp<T>);
  const auto hit = static_cast<T>(1.0 - in.smoothing);
  const auto spread = static_cast<T>(in.smoothing / static_cast<double>(in.classes));
  T weight_sum = 0;
  for (std::int64_t c = 0; c < in.classes; ++c) {
    weight_sum += weight_of(in, c);
  }
  parallel_for(in.rows, rows_per_task(in.classes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T* to = gx + i * in.classes;
      const std::int64_t t = in.target[i];
      if (t == in.ignore_index) {
        std::fill_n(to, in.classes, T(0));
        continue;
      }
      const T on_target = hit * weight_of(in, t);
      scaled_row_exp(in.x + i * in.classes, logsumexp[i], gy[i] * (on_target + spread * weight_sum), to, in.classes);
      to[t] -= gy[i] * on_target;
      for (std::int64_t c = 0; spread != 0 && c < in.classes; ++c) {
        to[c] -= gy[i] * spread * weight_of(in, c);
      }
    }
  });
}

template void cross_entropy_forward(const CrossEntropyRows<float>&, float*, float*);
template void cross_entropy_forward(const CrossEntropyRows<double>&, double*, double*);
template void cross_entropy_backward(const CrossEntropyRows<float>&, const float*, const float*, float*);
template void cross_entropy_backward(const CrossEntropyRows<double>&, const double*, const double*, double*);

}  // namespace normgrad::kernels
