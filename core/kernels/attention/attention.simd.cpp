#include "normgrad/core/kernels/attention/attention.hpp"
#include "normgrad/core/simd/detail/row.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

template <class T>
T exp_of(T x) {
  alignas(64) T lanes[static_cast<std::size_t>(kLanes<T>)];
  vexp_of_negative(Batch<T>(x)).store_aligned(lanes);
  return lanes[0];
}

}  // namespace

template <class T>
void attention_mask(T* s, std::int64_t step, std::int64_t rows, std::int64_t columns, const bool* allowed,
                    const T* added, std::int64_t row_step, std::int64_t column_step) {
  const T lowest = -T(__builtin_huge_val());
  for (std::int64_t r = 0; r < rows; ++r, s += step) {
    if (added != nullptr) {
      const T* m = added + r * row_step;
      for (std::int64_t j = 0; j < columns; ++j) {
        s[j] += m[j * column_step];
      }
    } else {
      const bool* m = allowed + r * row_step;
      for (std::int64_t j = 0; j < columns; ++j) {
        s[j] = m[j * column_step] ? s[j] : lowest;
      }
    }
  }
}

template <class T>
void attention_online_softmax(T* s, std::int64_t step, std::int64_t rows, std::int64_t columns, double* largest,
                              double* sum, T* factor) {
  const T lowest = -T(__builtin_huge_val());
  for (std::int64_t r = 0; r < rows; ++r, s += step) {
    const T before = static_cast<T>(largest[r]);
    const T here = max_of_row(s, columns);
    const T now = before > here || before != before ? before : here;
    const T shift = now == lowest ? T(0) : now;
    const Batch<T> from(shift);
    Batch<T> total(T(0));
    each_vector<T>(columns, [&](std::int64_t i, std::int64_t count) {
      const Batch<T> e = vexp_of_negative(load_lanes(s + i, count, lowest) - from);
      store_lanes(s + i, e, count);
      total = total + e;
    });
    factor[r] = before == now ? T(1) : exp_of<T>(before - shift);
    largest[r] = static_cast<double>(now);
    sum[r] = sum[r] * static_cast<double>(factor[r]) + static_cast<double>(sum_lanes<T>(total));
  }
}

template <class T>
void attention_weights(T* s, std::int64_t step, std::int64_t rows, std::int64_t columns, const double* largest,
                       const double* reciprocal_sum) {
  for (std::int64_t r = 0; r < rows; ++r, s += step) {
    const Batch<T> from(static_cast<T>(largest[r]));
    const Batch<T> scale(static_cast<T>(reciprocal_sum[r]));
    each_vector<T>(columns, [&](std::int64_t i, std::int64_t count) {
      store_lanes(s + i, Batch<T>(vexp_of_negative(load_lanes(s + i, count, T(0)) - from) * scale), count);
    });
  }
}

template <class T>
void attention_score_gradient(const T* p, T* gs, std::int64_t step, std::int64_t rows, std::int64_t columns,
                              const double* delta) {
  for (std::int64_t r = 0; r < rows; ++r, p += step, gs += step) {
    const Batch<T> shift(static_cast<T>(delta[r]));
    each_vector<T>(columns, [&](std::int64_t i, std::int64_t count) {
      store_lanes(gs + i, Batch<T>(load_lanes(p + i, count, T(0)) * (load_lanes(gs + i, count, T(0)) - shift)), count);
    });
  }
}

template <class T>
void attention_scale_rows(T* y, std::int64_t rows, std::int64_t columns, const T* factor) {
  for (std::int64_t r = 0; r < rows; ++r, y += columns) {
    if (factor[r] == T(1)) {
      continue;
    }
    const Batch<T> scale(factor[r]);
    each_vector<T>(columns, [&](std::int64_t i, std::int64_t count) {
      store_lanes(y + i, Batch<T>(load_lanes(y + i, count, T(0)) * scale), count);
    });
  }
}

template <class T>
void attention_dots(const T* gy, const T* y, std::int64_t rows, std::int64_t columns, double* delta) {
  for (std::int64_t r = 0; r < rows; ++r, gy += columns, y += columns) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < columns; ++j) {
      sum += static_cast<double>(gy[j]) * static_cast<double>(y[j]);
    }
    delta[r] = sum;
  }
}

template <class T>
void attention_multiply(T* s, const T* t, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    s[i] *= t[i];
  }
}

#define NORMGRAD_ATTENTION_TILES(T)                                                                                  \
  template void attention_mask<T>(T*, std::int64_t, std::int64_t, std::int64_t, const bool*, const T*, std::int64_t, \
                                  std::int64_t);                                                                     \
  template void attention_online_softmax<T>(T*, std::int64_t, std::int64_t, std::int64_t, double*, double*, T*);     \
  template void attention_weights<T>(T*, std::int64_t, std::int64_t, std::int64_t, const double*, const double*);    \
  template void attention_score_gradient<T>(const T*, T*, std::int64_t, std::int64_t, std::int64_t, const double*);  \
  template void attention_scale_rows<T>(T*, std::int64_t, std::int64_t, const T*);                                   \
  template void attention_dots<T>(const T*, const T*, std::int64_t, std::int64_t, double*);                          \
  template void attention_multiply<T>(T*, const T*, std::int64_t);

NORMGRAD_ATTENTION_TILES(float)
NORMGRAD_ATTENTION_TILES(double)

#undef NORMGRAD_ATTENTION_TILES

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
