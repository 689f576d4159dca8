#include "normgrad/core/kernels/recurrent/recurrent.hpp"

#include <algorithm>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/kernels/memory/scratch.hpp"
#include "normgrad/core/kernels/reduce/reduce.hpp"

namespace normgrad::kernels {

namespace {

// Samples per task of the gates of one step.
std::int64_t rows_per_task(const RecurrentGeometry& g) {
  constexpr std::int64_t kCells = 4096;
  return std::max<std::int64_t>(1, kCells / std::max<std::int64_t>(g.hidden, 1));
}

// The state before the step that is computed as number i.
template <class T>
const T* state_before(const RecurrentGeometry& g, std::int64_t i, const T* start, const T* steps,
                      std::int64_t features) {
  return i == 0 ? start : steps + g.step(i - 1) * g.batch * features;
}

// to[j] = sum of column j of x: [rows, columns].
template <class T>
void gradient_of_bias(const T* x, std::int64_t rows, std::int64_t columns, T* to) {
  reduce(ReduceOp::sum, ReduceLayout({rows, columns}, {true, false}), x, to);
}

template <class T>
void step_forward(const RecurrentGeometry& g, const RecurrentOperands<T>& in, const RecurrentResults<T>& out,
                  std::int64_t i, T* from_h) {
  const std::int64_t t = g.step(i);
  const std::int64_t gates = g.gates();
  const T* h_before = state_before(g, i, in.h0, out.y, g.output);
  const auto product = GemmShape::dense(false, true, g.batch, gates, g.output);
  if (in.b_hh != nullptr) {
    gemm_plus_row(product, h_before, in.w_hh, in.b_hh, from_h);
  } else {
    gemm(product, T(1), h_before, in.w_hh, T(0), from_h);
  }
  const std::int64_t first = t * g.batch;
  T* h = (out.raw != nullptr ? out.raw : out.y) + first * g.hidden;
  parallel_for(g.batch, rows_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t rows = end - begin;
    const std::int64_t cell = begin * g.hidden;
    const T* gx = in.gx + (first + begin) * gates;
    const T* gh = from_h + begin * gates;
    T* kept = out.kept == nullptr ? nullptr : out.kept + (first + begin) * g.kept();
    if (g.kind == RecurrentCell::lstm) {
      NORMGRAD_SIMD_SELECT(lstm_gates<T>)
      (rows, g.hidden, gx, gh, state_before(g, i, in.c0, static_cast<const T*>(out.c), g.hidden) + cell, kept,
       out.c + first * g.hidden + cell, h + cell);
    } else if (g.kind == RecurrentCell::gru) {
      NORMGRAD_SIMD_SELECT(gru_gates<T>)(rows, g.hidden, gx, gh, h_before + cell, kept, h + cell);
    } else {
      NORMGRAD_SIMD_SELECT(plain_gates<T>)(g.kind == RecurrentCell::relu, rows * g.hidden, gx, gh, h + cell);
    }
  });
  if (out.raw != nullptr) {
    gemm(GemmShape::dense(false, true, g.batch, g.output, g.hidden), T(1), h, in.w_hr, T(0), out.y + first * g.output);
  }
}

// The gradients of one step. `gh` holds that of h, `gc` that of c; both become those of the step before.
template <class T>
void step_backward(const RecurrentGeometry& g, const RecurrentOperands<T>& in, const RecurrentResults<T>& out,
                   const RecurrentGradients<T>& to, std::int64_t i, T* ggates_h, T* gh, T* graw, T* gc) {
  const std::int64_t t = g.step(i);
  const std::int64_t first = t * g.batch;
  const std::int64_t gates = g.gates();
  const T* gy = to.gy + first * g.output;
  std::transform(gh, gh + g.batch * g.output, gy, gh, [](T a, T b) { return a + b; });
  T* gcell = gh;
  if (out.raw != nullptr) {
    gemm(GemmShape::dense(false, false, g.batch, g.hidden, g.output), T(1), gh, in.w_hr, T(0), graw);
    if (to.gw_hr != nullptr) {
      gemm(GemmShape::dense(true, false, g.output, g.hidden, g.batch), T(1), gh, out.raw + first * g.hidden, T(1),
           to.gw_hr);
    }
    gcell = graw;
  }
  const T* h_before = state_before(g, i, in.h0, static_cast<const T*>(out.y), g.output);
  parallel_for(g.batch, rows_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t rows = end - begin;
    const std::int64_t cell = begin * g.hidden;
    T* ggx = to.ggx + (first + begin) * gates;
    if (g.kind == RecurrentCell::lstm) {
      NORMGRAD_SIMD_SELECT(lstm_gates_backward<T>)
      (rows, g.hidden, gcell + cell, out.kept + (first + begin) * g.kept(), out.c + first * g.hidden + cell,
       state_before(g, i, in.c0, static_cast<const T*>(out.c), g.hidden) + cell, gc + cell, ggx);
    } else if (g.kind == RecurrentCell::gru) {
      NORMGRAD_SIMD_SELECT(gru_gates_backward<T>)
      (rows, g.hidden, gcell + cell, out.kept + (first + begin) * g.kept(), h_before + cell, ggx,
       ggates_h + (first + begin) * gates);
    } else {
      NORMGRAD_SIMD_SELECT(plain_gates_backward<T>)
      (g.kind == RecurrentCell::relu, rows * g.hidden, gcell + cell, out.y + first * g.hidden + cell, ggx);
    }
  });
  gemm(GemmShape::dense(false, false, g.batch, g.output, gates), T(1), ggates_h + first * gates, in.w_hh,
       g.kind == RecurrentCell::gru ? T(1) : T(0), gh);
}

}  // namespace

template <class T>
void recurrent_forward(const RecurrentGeometry& g, const RecurrentOperands<T>& in, const RecurrentResults<T>& out) {
  const Scratch<T> from_h(g.batch * g.gates());
  for (std::int64_t i = 0; i < g.steps; ++i) {
    step_forward(g, in, out, i, from_h.get());
  }
}

template <class T>
void recurrent_backward(const RecurrentGeometry& g, const RecurrentOperands<T>& in, const RecurrentResults<T>& out,
                        const RecurrentGradients<T>& to) {
  const std::int64_t gates = g.gates();
  const std::int64_t size = g.batch * gates;
  const Scratch<T> own_gates(g.kind == RecurrentCell::gru ? g.steps * size : 0);
  T* ggates_h = g.kind == RecurrentCell::gru ? own_gates.get() : to.ggx;
  const Scratch<T> states(g.batch * (g.output + 2 * g.hidden));
  T* gh = states.get();
  T* graw = gh + g.batch * g.output;
  T* gc = graw + g.batch * g.hidden;
  std::fill_n(gh, g.batch * g.output, T(0));
  if (to.gc_n != nullptr) {
    std::copy_n(to.gc_n, g.batch * g.hidden, gc);
  }
  if (to.gw_hr != nullptr) {
    std::fill_n(to.gw_hr, g.output * g.hidden, T(0));
  }
  for (std::int64_t i = g.steps; i-- > 0;) {
    step_backward(g, in, out, to, i, ggates_h, gh, graw, gc);
  }
  if (to.gh0 != nullptr) {
    std::copy_n(gh, g.batch * g.output, to.gh0);
  }
  if (to.gc0 != nullptr) {
    std::copy_n(gc, g.batch * g.hidden, to.gc0);
  }
  if (to.gw_hh != nullptr) {
    // One product for all steps but the first computed one, whose state before is h0.
    const T* later = ggates_h + (g.reverse ? 0 : size);
    const T* states_before = out.y + (g.reverse ? g.batch * g.output : 0);
    gemm(GemmShape::dense(true, false, gates, g.output, (g.steps - 1) * g.batch), T(1), later, states_before, T(0),
         to.gw_hh);
    gemm(GemmShape::dense(true, false, gates, g.output, g.batch), T(1), ggates_h + g.step(0) * size, in.h0, T(1),
         to.gw_hh);
  }
  if (to.gb_hh != nullptr) {
    gradient_of_bias(static_cast<const T*>(ggates_h), g.steps * g.batch, gates, to.gb_hh);
  }
}

#define NORMGRAD_RECURRENT(T)                                                                \
  template void recurrent_forward<T>(const RecurrentGeometry&, const RecurrentOperands<T>&,  \
                                     const RecurrentResults<T>&);                            \
  template void recurrent_backward<T>(const RecurrentGeometry&, const RecurrentOperands<T>&, \
                                      const RecurrentResults<T>&, const RecurrentGradients<T>&);

NORMGRAD_RECURRENT(float)
NORMGRAD_RECURRENT(double)

#undef NORMGRAD_RECURRENT

}  // namespace normgrad::kernels
