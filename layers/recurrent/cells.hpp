// Recurrent cells: one step of LSTM, GRU and RNN (see recurrent.hpp).
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"

namespace normgrad {

/// Options of LSTMCell, GRUCell and RNNCell. Names and defaults are PyTorch's.
struct RecurrentCellOptions {
  bool bias = true;                                      ///< whether there are biases
  RnnNonlinearity nonlinearity = RnnNonlinearity::tanh;  ///< RNNCell only
  /// A name of the norm registry (see registry.hpp), such as "layer" or "rms:eps=1e-6", for norms of the gates' parts
  /// from x and from h, and of the cell of an LSTM before its tanh; empty: none. PyTorch has no such option. Ba, Kiros
  /// and Hinton, "Layer Normalization", 2016, equations 20 to 22.
  std::string norm = {};
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// What the cells have in common. The parameters start uniform in +-1 / sqrt(hidden_size).
class RecurrentCell : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(RecurrentCell)
  std::string extra_repr() const override;

  /// Initializes the parameters again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight_ih;  ///< [gates * hidden_size, input_size]
  Parameter weight_hh;  ///< [gates * hidden_size, hidden_size]
  Parameter bias_ih;    ///< [gates * hidden_size]; undefined without bias
  Parameter bias_hh;    ///< [gates * hidden_size]; undefined without bias
  AnyModule norm_ih;    ///< of weight_ih x, before the bias; empty without norm
  AnyModule norm_hh;    ///< of weight_hh h, before the bias; empty without norm
  AnyModule norm_c;     ///< of the cell of an LSTM; empty without norm

 protected:
  /// `type` is the name of the cell, a string literal.
  RecurrentCell(const char* type, RecurrentKind kind, std::int64_t input_size, std::int64_t hidden_size,
                const RecurrentCellOptions& options);
  /// The new state of all kinds.
  LSTMState run(const Tensor& x, const LSTMState& state) const;

 private:
  const char* type_;
  RecurrentKind kind_;
  std::int64_t input_size_;
  std::int64_t hidden_size_;
};

/// One step of an LSTM.
class LSTMCell : public RecurrentCell {
 public:
  /// Throws ValueError unless both sizes are positive, and for a norm that is unknown or not applicable to features.
  LSTMCell(std::int64_t input_size, std::int64_t hidden_size, const RecurrentCellOptions& options = {})
      : RecurrentCell("LSTMCell", RecurrentKind::lstm, input_size, hidden_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(LSTMCell)
  /// Returns the new h alone, for a state of zeros.
  Tensor forward(const Tensor& x) override { return run(x, {}).h; }
  /// x: [N, input_size] or [input_size] -> the new state. Throws ShapeError for an x or a state that does not fit.
  LSTMState forward(const Tensor& x, const LSTMState& state) { return run(x, state); }
  /// Returns forward(x, state). Hooks are not supported.
  LSTMState operator()(const Tensor& x, const LSTMState& state = {}) {
    refuse_hooks();
    return with_path([&] { return run(x, state); });
  }
  LSTMState operator()(const Tensor& x, const LSTMState& state = {}) const {
    return detail::ConstCall::evaluated(*this)(x, state);
  }
};

/// Base of GRUCell and RNNCell, whose state is h alone.
class HiddenStateCell : public RecurrentCell {
 public:
  using NormgradSelf = HiddenStateCell;  ///< for NORMGRAD_MEMBERS
  /// Returns the new h for a state of zeros.
  Tensor forward(const Tensor& x) override { return run(x, {}).h; }
  /// x: [N, input_size] or [input_size], h: [N, hidden_size] or [hidden_size], zeros if undefined -> the new h.
  Tensor forward(const Tensor& x, const Tensor& h) { return run(x, {h, {}}).h; }
  using Module::operator();
  /// Returns forward(x, h). Hooks are not supported.
  Tensor operator()(const Tensor& x, const Tensor& h) {
    refuse_hooks();
    return with_path([&] { return forward(x, h); });
  }
  Tensor operator()(const Tensor& x, const Tensor& h) const { return detail::ConstCall::evaluated(*this)(x, h); }

 protected:
  using RecurrentCell::RecurrentCell;
};

/// One step of a GRU.
class GRUCell : public HiddenStateCell {
 public:
  /// Throws ValueError unless both sizes are positive.
  GRUCell(std::int64_t input_size, std::int64_t hidden_size, const RecurrentCellOptions& options = {})
      : HiddenStateCell("GRUCell", RecurrentKind::gru, input_size, hidden_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(GRUCell)
};

/// One step of an RNN.
class RNNCell : public HiddenStateCell {
 public:
  /// Throws ValueError unless both sizes are positive.
  RNNCell(std::int64_t input_size, std::int64_t hidden_size, const RecurrentCellOptions& options = {})
      : HiddenStateCell("RNNCell",
                        options.nonlinearity == RnnNonlinearity::tanh ? RecurrentKind::tanh : RecurrentKind::relu,
                        input_size, hidden_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(RNNCell)
};

}  // namespace normgrad
