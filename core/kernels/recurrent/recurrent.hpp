// One layer and direction of a recurrent network over a whole sequence, and its backward through time.
// LSTM: Hochreiter and Schmidhuber, "Long short-term memory", 1997, with forget gates (Gers et al., 2000) and
// projection (Sak et al., 2014). GRU: Cho et al., 2014, in the form of PyTorch and cuDNN. Plain: Elman, 1990.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// tanh and relu are the plain network with that activation.
enum class RecurrentCell { lstm, gru, tanh, relu };

/// Sizes and order. Gates per cell: 4 (input, forget, cell, output), 3 (reset, update, new) or 1.
struct RecurrentGeometry {
  RecurrentCell kind;
  std::int64_t steps;
  std::int64_t batch;
  std::int64_t hidden;
  std::int64_t output;  ///< features of h: hidden, or fewer with a projection
  bool reverse;         ///< from the last step to the first

  /// Returns the features of all gates.
  std::int64_t gates() const noexcept {
    return hidden * (kind == RecurrentCell::lstm ? 4 : kind == RecurrentCell::gru ? 3 : 1);
  }
  /// Returns the values per cell kept for the backward: input, forget, cell and output gate, or reset, update and new
  /// gate and the hidden part of the new one.
  std::int64_t kept() const noexcept {
    return kind == RecurrentCell::lstm || kind == RecurrentCell::gru ? 4 * hidden : 0;
  }
  /// Returns the index of the step computed as number `i`.
  std::int64_t step(std::int64_t i) const noexcept { return reverse ? steps - 1 - i : i; }
};

/// The arrays of a sequence. T: float or double.
template <class T>
struct RecurrentOperands {
  const T* gx;    ///< [steps, batch, gates]: the part of the gates that comes from the input
  const T* h0;    ///< [batch, output]
  const T* c0;    ///< [batch, hidden]; lstm only
  const T* w_hh;  ///< [gates, output]
  const T* b_hh;  ///< [gates]; may be null
  const T* w_hr;  ///< [output, hidden]: the projection; null: none
};

/// Results, and what the backward needs.
template <class T>
struct RecurrentResults {
  T* y;     ///< [steps, batch, output]: h of every step
  T* kept;  ///< [steps, batch, kept]; null for tanh and relu
  T* c;     ///< [steps, batch, hidden]: cells; lstm only
  T* raw;   ///< [steps, batch, hidden]: h before the projection; null without
};

template <class T>
void recurrent_forward(const RecurrentGeometry& g, const RecurrentOperands<T>& in, const RecurrentResults<T>& out);

/// Gradients; null for those that are not needed, except ggx.
template <class T>
struct RecurrentGradients {
  const T* gy;    ///< [steps, batch, output]
  const T* gc_n;  ///< [batch, hidden]: of the cell after the last computed step; lstm only
  T* ggx;         ///< [steps, batch, gates]
  T* gh0;
  T* gc0;
  T* gw_hh;
  T* gb_hh;
  T* gw_hr;
};
template <class T>
void recurrent_backward(const RecurrentGeometry& g, const RecurrentOperands<T>& in, const RecurrentResults<T>& out,
                        const RecurrentGradients<T>& to);

// The gates of `rows` samples of one step.
NORMGRAD_SIMD_DECLARE(
    template <class T> void lstm_gates(std::int64_t rows, std::int64_t hidden, const T* gx, const T* gh,
                                       const T* c_before, T* kept, T* c, T* h);
    // `gc` holds the gradient of c; it becomes that of c_before.
    template <class T> void lstm_gates_backward(std::int64_t rows, std::int64_t hidden, const T* gh, const T* kept,
                                                const T* c, const T* c_before, T* gc, T* ggates);
    template <class T>
    void gru_gates(std::int64_t rows, std::int64_t hidden, const T* gx, const T* gh, const T* h_before, T* kept, T* h);
    // `gh` holds the gradient of h; it becomes the part of that of h_before that does not pass the gates.
    template <class T> void gru_gates_backward(std::int64_t rows, std::int64_t hidden, T* gh, const T* kept,
                                               const T* h_before, T* ggx, T* ggh);
    template <class T> void plain_gates(bool is_relu, std::int64_t n, const T* gx, const T* gh, T* h);
    template <class T> void plain_gates_backward(bool is_relu, std::int64_t n, const T* gh, const T* h, T* ggates);)

}  // namespace normgrad::kernels
