#include "normgrad/core/kernels/recurrent/recurrent.hpp"

#include "normgrad/core/simd/detail/math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Calls f(i, read, write) for each vector of n elements: read(p) loads from p + i, write(p, v) stores.
template <class T, class F>
void each_cell(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    f([i](const T* p) { return load(p + i); }, [i](T* p, const Batch<T>& v) { store(p + i, v); });
  }
  if (i < n) {
    const std::int64_t rest = n - i;
    f([i, rest](const T* p) { return load_partial(p + i, rest); },
      [i, rest](T* p, const Batch<T>& v) { store_partial(p + i, v, rest); });
  }
}

}  // namespace

template <class T>
void lstm_gates(std::int64_t rows, std::int64_t hidden, const T* gx, const T* gh, const T* c_before, T* kept, T* c,
                T* h) {
  for (std::int64_t r = 0; r < rows; ++r) {
    each_cell<T>(hidden, [&](auto read, auto write) {
      const Batch<T> i = vsigmoid(Batch<T>(read(gx) + read(gh)));
      const Batch<T> f = vsigmoid(Batch<T>(read(gx + hidden) + read(gh + hidden)));
      const Batch<T> n = vtanh(Batch<T>(read(gx + 2 * hidden) + read(gh + 2 * hidden)));
      const Batch<T> o = vsigmoid(Batch<T>(read(gx + 3 * hidden) + read(gh + 3 * hidden)));
      const Batch<T> cell = f * read(c_before) + i * n;
      write(kept, i);
      write(kept + hidden, f);
      write(kept + 2 * hidden, n);
      write(kept + 3 * hidden, o);
      write(c, cell);
      write(h, Batch<T>(o * vtanh(cell)));
    });
    gx += 4 * hidden;
    gh += 4 * hidden;
    kept += 4 * hidden;
    c_before += hidden;
    c += hidden;
    h += hidden;
  }
}

template <class T>
void lstm_gates_backward(std::int64_t rows, std::int64_t hidden, const T* gh, const T* kept, const T* c,
                         const T* c_before, T* gc, T* ggates) {
  const Batch<T> one(T(1));
  for (std::int64_t r = 0; r < rows; ++r) {
    each_cell<T>(hidden, [&](auto read, auto write) {
      const Batch<T> i = read(kept);
      const Batch<T> f = read(kept + hidden);
      const Batch<T> n = read(kept + 2 * hidden);
      const Batch<T> o = read(kept + 3 * hidden);
      const Batch<T> squashed = vtanh(read(c));
      const Batch<T> gh_here = read(gh);
      const Batch<T> gcell = read(gc) + gh_here * o * (one - squashed * squashed);
      write(ggates, Batch<T>(gcell * n * i * (one - i)));
      write(ggates + hidden, Batch<T>(gcell * read(c_before) * f * (one - f)));
      write(ggates + 2 * hidden, Batch<T>(gcell * i * (one - n * n)));
      write(ggates + 3 * hidden, Batch<T>(gh_here * squashed * o * (one - o)));
      write(gc, Batch<T>(gcell * f));
    });
    gh += hidden;
    kept += 4 * hidden;
    c += hidden;
    c_before += hidden;
    gc += hidden;
    ggates += 4 * hidden;
  }
}

template <class T>
void gru_gates(std::int64_t rows, std::int64_t hidden, const T* gx, const T* gh, const T* h_before, T* kept, T* h) {
  for (std::int64_t row = 0; row < rows; ++row) {
    each_cell<T>(hidden, [&](auto read, auto write) {
      const Batch<T> r = vsigmoid(Batch<T>(read(gx) + read(gh)));
      const Batch<T> z = vsigmoid(Batch<T>(read(gx + hidden) + read(gh + hidden)));
      const Batch<T> from_h = read(gh + 2 * hidden);
      const Batch<T> n = vtanh(Batch<T>(read(gx + 2 * hidden) + r * from_h));
      write(kept, r);
      write(kept + hidden, z);
      write(kept + 2 * hidden, n);
      write(kept + 3 * hidden, from_h);
      write(h, Batch<T>(n + z * (read(h_before) - n)));
    });
    gx += 3 * hidden;
    gh += 3 * hidden;
    kept += 4 * hidden;
    h_before += hidden;
    h += hidden;
  }
}

template <class T>
void gru_gates_backward(std::int64_t rows, std::int64_t hidden, T* gh, const T* kept, const T* h_before, T* ggx,
                        T* ggh) {
  const Batch<T> one(T(1));
  for (std::int64_t row = 0; row < rows; ++row) {
    each_cell<T>(hidden, [&](auto read, auto write) {
      const Batch<T> r = read(kept);
      const Batch<T> z = read(kept + hidden);
      const Batch<T> n = read(kept + 2 * hidden);
      const Batch<T> gh_here = read(gh);
      const Batch<T> gn = gh_here * (one - z) * (one - n * n);
      const Batch<T> gr = gn * read(kept + 3 * hidden) * r * (one - r);
      const Batch<T> gz = gh_here * (read(h_before) - n) * z * (one - z);
      write(ggx, gr);
      write(ggx + hidden, gz);
      write(ggx + 2 * hidden, gn);
      write(ggh, gr);
      write(ggh + hidden, gz);
      write(ggh + 2 * hidden, Batch<T>(gn * r));
      write(gh, Batch<T>(gh_here * z));
    });
    gh += hidden;
    kept += 4 * hidden;
    h_before += hidden;
    ggx += 3 * hidden;
    ggh += 3 * hidden;
  }
}

template <class T>
void plain_gates(bool is_relu, std::int64_t n, const T* gx, const T* gh, T* h) {
  const Batch<T> zero(T(0));
  each_cell<T>(n, [&](auto read, auto write) {
    const Batch<T> z = read(gx) + read(gh);
    write(h, is_relu ? Batch<T>(xsimd::select(z <= zero, zero, z)) : vtanh(z));
  });
}

template <class T>
void plain_gates_backward(bool is_relu, std::int64_t n, const T* gh, const T* h, T* ggates) {
  const Batch<T> zero(T(0));
  const Batch<T> one(T(1));
  each_cell<T>(n, [&](auto read, auto write) {
    const Batch<T> y = read(h);
    const Batch<T> g = read(gh);
    write(ggates, is_relu ? Batch<T>(xsimd::select(y <= zero, zero, g)) : Batch<T>(g * (one - y * y)));
  });
}

#define NORMGRAD_RECURRENT_GATES(T)                                                                                 \
  template void lstm_gates<T>(std::int64_t, std::int64_t, const T*, const T*, const T*, T*, T*, T*);                \
  template void lstm_gates_backward<T>(std::int64_t, std::int64_t, const T*, const T*, const T*, const T*, T*, T*); \
  template void gru_gates<T>(std::int64_t, std::int64_t, const T*, const T*, const T*, T*, T*);                     \
  template void gru_gates_backward<T>(std::int64_t, std::int64_t, T*, const T*, const T*, T*, T*);                  \
  template void plain_gates<T>(bool, std::int64_t, const T*, const T*, T*);                                         \
  template void plain_gates_backward<T>(bool, std::int64_t, const T*, const T*, T*);

NORMGRAD_RECURRENT_GATES(float)
NORMGRAD_RECURRENT_GATES(double)

#undef NORMGRAD_RECURRENT_GATES

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
