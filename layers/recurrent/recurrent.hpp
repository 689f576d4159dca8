// Recurrent layers over sequences. LSTM: Hochreiter and Schmidhuber, 1997, with forget gates (Gers et al., 2000) and
// projection (Sak et al., 2014). GRU: Cho et al., 2014. RNN: Elman, 1990.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/recurrent/recurrent_kind.hpp"
#include "normgrad/layers/module/module.hpp"
#include "normgrad/layers/recurrent/packed_sequence.hpp"

namespace normgrad {

/// The activation of an RNN.
enum class RnnNonlinearity { tanh, relu };

/// Options of LSTM, GRU and RNN. Names and defaults are PyTorch's.
struct RecurrentOptions {
  std::int64_t num_layers = 1;  ///< layers, each of which reads the output of the one before
  bool bias = true;             ///< whether there are biases
  bool batch_first = false;     ///< [N, L, features] instead of [L, N, features]; the states are not affected
  double dropout = 0.0;         ///< of the output of each layer but the last, in training
  bool bidirectional = false;   ///< whether each layer also reads the sequence from its end
  std::int64_t proj_size = 0;   ///< LSTM only: features of a projection of h; 0: none
  RnnNonlinearity nonlinearity = RnnNonlinearity::tanh;  ///< RNN only
  DType dtype = kFloat32;                                ///< dtype of the parameters
  Generator* generator = nullptr;                        ///< source of the initial values; null: default_generator()
};

/// Result of a GRU or RNN. D: directions; H: features of h.
struct RecurrentResult {
  Tensor output;  ///< [L, N, D * H], [N, L, D * H] with batch_first, or [L, D * H]: h of the last layer
  Tensor h_n;     ///< [num_layers * D, N, H], or without N: the last h of each layer and direction
};

/// h and c of an LSTM: [num_layers * D, N, H] and [num_layers * D, N, hidden_size], without N if there is no batch; of
/// an LSTMCell: [N, hidden_size], or without N. Undefined: zeros.
struct LSTMState {
  Tensor h;  ///< output state
  Tensor c;  ///< cell state
};

/// Result of an LSTM. H is proj_size or hidden_size.
struct LSTMResult {
  Tensor output;  ///< [L, N, D * H], [N, L, D * H] with batch_first, or [L, D * H]: h of the last layer
  Tensor h_n;     ///< [num_layers * D, N, H], or without N
  Tensor c_n;     ///< [num_layers * D, N, hidden_size], or without N
};

/// Result of a GRU or RNN for a packed sequence.
struct PackedRecurrentResult {
  PackedSequence output;  ///< data [sum of lengths, D * H]: h of the last layer
  Tensor h_n;             ///< [num_layers * D, N, H]: h after the last step of each sequence
};

/// Result of an LSTM for a packed sequence.
struct PackedLSTMResult {
  PackedSequence output;  ///< data [sum of lengths, D * H]: h of the last layer
  Tensor h_n;             ///< [num_layers * D, N, H]: h after the last step of each sequence
  Tensor c_n;             ///< [num_layers * D, N, hidden_size]
};

/// The parameters of one layer and direction.
struct RecurrentWeights {
  Parameter weight_ih;  ///< [gates * hidden_size, input features]
  Parameter weight_hh;  ///< [gates * hidden_size, H]
  Parameter bias_ih;    ///< [gates * hidden_size]; undefined without bias
  Parameter bias_hh;    ///< [gates * hidden_size]; undefined without bias
  Parameter weight_hr;  ///< [proj_size, hidden_size]; undefined without projection
};

/// What LSTM, GRU and RNN have in common. The parameters have PyTorch's names: weight_ih_l0, weight_hh_l0, bias_ih_l0,
/// bias_hh_l0, weight_hr_l0, with "_reverse" for the other direction. All start uniform in +-1 / sqrt(hidden_size).
class RecurrentLayer : public Module {
 public:
  using NormgradSelf = RecurrentLayer;  ///< for NORMGRAD_MEMBERS
  void members(MemberVisitor& visit) override;
  std::string extra_repr() const override;

  /// The constructor's arguments.
  std::int64_t input_size() const noexcept { return input_size_; }
  std::int64_t hidden_size() const noexcept { return hidden_size_; }
  std::int64_t num_layers() const noexcept { return options_.num_layers; }
  /// Initializes the parameters again.
  void reset_parameters(Generator* generator = nullptr);

  std::vector<RecurrentWeights> weights;  ///< per layer, and within it per direction

 protected:
  /// `type` is the name of the layer, a string literal.
  RecurrentLayer(const char* type, RecurrentKind kind, std::int64_t input_size, std::int64_t hidden_size,
                 const RecurrentOptions& options);
  /// The results of all kinds.
  LSTMResult run(const Tensor& x, const LSTMState& state);
  /// The same of a packed sequence; each run of steps with the same sequences is one pass.
  PackedLSTMResult run_packed(const PackedSequence& sequence, const LSTMState& state);

 private:
  Tensor state_of(const char* name, const Tensor& given, const Tensor& x, std::int64_t batch,
                  std::int64_t features) const;
  std::int64_t directions() const noexcept { return options_.bidirectional ? 2 : 1; }
  std::int64_t output_size() const noexcept { return options_.proj_size > 0 ? options_.proj_size : hidden_size_; }

  const char* type_;
  RecurrentKind kind_;
  std::int64_t input_size_;
  std::int64_t hidden_size_;
  RecurrentOptions options_;
};

/// Base of GRU and RNN, whose state is h alone.
class HiddenStateLayer : public RecurrentLayer {
 public:
  using NormgradSelf = HiddenStateLayer;  ///< for NORMGRAD_MEMBERS
  /// Returns the output alone, as in a Sequential.
  Tensor forward(const Tensor& x) override { return run(x, {}).output; }
  /// As LSTM::forward(); h: [num_layers * D, N, hidden_size], without N if there is no batch; undefined: zeros.
  RecurrentResult forward(const Tensor& x, const Tensor& h) {
    LSTMResult r = run(x, {h, {}});
    return {r.output, r.h_n};
  }
  /// The same of a packed sequence; batch_first does not matter.
  PackedRecurrentResult forward(const PackedSequence& x, const Tensor& h) {
    PackedLSTMResult r = run_packed(x, {h, {}});
    return {r.output, r.h_n};
  }
  /// Returns forward(x, h). Hooks are not supported.
  RecurrentResult operator()(const Tensor& x, const Tensor& h = {}) {
    refuse_hooks();
    return with_path([&] { return forward(x, h); });
  }
  RecurrentResult operator()(const Tensor& x, const Tensor& h = {}) const {
    return detail::ConstCall::evaluated(*this)(x, h);
  }
  PackedRecurrentResult operator()(const PackedSequence& x, const Tensor& h = {}) {
    refuse_hooks();
    return with_path([&] { return forward(x, h); });
  }
  PackedRecurrentResult operator()(const PackedSequence& x, const Tensor& h = {}) const {
    return detail::ConstCall::evaluated(*this)(x, h);
  }

 protected:
  using RecurrentLayer::RecurrentLayer;
};

/// Gates i, f, g, o = activation(W_ih x + b_ih + W_hh h + b_hh), in this order in the weights; c = f * c + i * g;
/// h = o * tanh(c), times weight_hr with a projection.
class LSTM : public RecurrentLayer {
 public:
  /// Throws ValueError unless sizes and num_layers are positive, dropout is in [0, 1], and proj_size is in
  /// [0, hidden_size).
  LSTM(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {})
      : RecurrentLayer("LSTM", RecurrentKind::lstm, input_size, hidden_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(LSTM)
  /// Returns the output alone, as in a Sequential.
  Tensor forward(const Tensor& x) override { return run(x, {}).output; }
  /// x: [L, N, input_size], [N, L, input_size] with batch_first, or [L, input_size]. Throws ShapeError for an x or a
  /// state that does not fit.
  LSTMResult forward(const Tensor& x, const LSTMState& state) { return run(x, state); }
  /// The same of a packed sequence; batch_first does not matter.
  PackedLSTMResult forward(const PackedSequence& x, const LSTMState& state) { return run_packed(x, state); }
  /// Returns forward(x, state). Hooks are not supported.
  LSTMResult operator()(const Tensor& x, const LSTMState& state = {}) {
    refuse_hooks();
    return with_path([&] { return run(x, state); });
  }
  LSTMResult operator()(const Tensor& x, const LSTMState& state = {}) const {
    return detail::ConstCall::evaluated(*this)(x, state);
  }
  PackedLSTMResult operator()(const PackedSequence& x, const LSTMState& state = {}) {
    refuse_hooks();
    return with_path([&] { return run_packed(x, state); });
  }
  PackedLSTMResult operator()(const PackedSequence& x, const LSTMState& state = {}) const {
    return detail::ConstCall::evaluated(*this)(x, state);
  }
};

/// r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh), n = tanh(W_in x + b_in + r * (W_hn h + b_hn)), in this order in the
/// weights; h = (1 - z) * n + z * h.
class GRU : public HiddenStateLayer {
 public:
  /// Throws ValueError as LSTM, and for a proj_size.
  GRU(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {})
      : HiddenStateLayer("GRU", RecurrentKind::gru, input_size, hidden_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(GRU)
};

/// h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu.
class RNN : public HiddenStateLayer {
 public:
  /// Throws ValueError as LSTM, and for a proj_size.
  RNN(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {})
      : HiddenStateLayer("RNN",
                         options.nonlinearity == RnnNonlinearity::tanh ? RecurrentKind::tanh : RecurrentKind::relu,
                         input_size, hidden_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(RNN)
};

}  // namespace normgrad
