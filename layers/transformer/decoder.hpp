// Transformer decoder. Vaswani et al., "Attention is all you need", 2017.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/transformer/encoder.hpp"

namespace normgrad {

/// Arguments of a call of TransformerDecoderLayer and TransformerDecoder besides tgt and memory; see AttentionCall for
/// the masks.
struct DecoderCall {
  Tensor tgt_mask = {};                 ///< [T, T] or [N * nhead, T, T]
  Tensor memory_mask = {};              ///< [T, S] or [N * nhead, T, S]
  Tensor tgt_key_padding_mask = {};     ///< [N, T]
  Tensor memory_key_padding_mask = {};  ///< [N, S]
  bool tgt_is_causal = false;           ///< hides later positions of tgt
  bool memory_is_causal = false;        ///< hides later positions of memory
};

/// Self-attention, attention to a memory (the result of an encoder), and a feed-forward network, each added to its
/// input, with a norm each.
class TransformerDecoderLayer : public Module {
 public:
  /// Throws as TransformerEncoderLayer.
  TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerLayerOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(TransformerDecoderLayer)
  std::string extra_repr() const override;

  /// tgt: [T, N, E], memory: [S, N, E] ([N, T, E] with batch_first, [T, E] without a batch) -> the shape of tgt.
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderCall& call = {});
  /// Returns forward(tgt, memory, call). Hooks are not supported.
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderCall& call = {}) {
    refuse_hooks();
    return with_path([&] { return forward(tgt, memory, call); });
  }
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderCall& call = {}) const {
    return detail::ConstCall::evaluated(*this)(tgt, memory, call);
  }

  MultiheadAttention self_attn;       ///< of tgt
  MultiheadAttention multihead_attn;  ///< from tgt to memory
  Linear linear1;                     ///< d_model to dim_feedforward
  Dropout dropout;                    ///< of the activation
  Linear linear2;                     ///< dim_feedforward to d_model
  AnyModule norm1;                    ///< of self_attn; empty for the placement "none"
  AnyModule norm2;                    ///< of multihead_attn; likewise
  AnyModule norm3;                    ///< of the feed-forward network; likewise
  Dropout dropout1;                   ///< of self_attn
  Dropout dropout2;                   ///< of multihead_attn
  Dropout dropout3;                   ///< of the feed-forward network
  AnyModule norm1_out;                ///< of the result of self_attn; empty unless the placement is "sandwich"
  AnyModule norm2_out;                ///< of the result of multihead_attn; likewise
  AnyModule norm3_out;                ///< of the result of the feed-forward network; likewise

 private:
  TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerLayerOptions& options,
                          const detail::Residual& residual);
  bool normgrad_calls_forward() const override { return true; }

  Tensor (*activation_)(const Tensor&);
  detail::Residual residual_;
};

/// A stack of decoder layers, which start as copies of one.
class TransformerDecoder : public Module {
 public:
  /// `norm` is applied to the result; empty: none. Throws ValueError unless num_layers is positive.
  TransformerDecoder(const TransformerDecoderLayer& decoder_layer, std::int64_t num_layers, AnyModule norm = {});
  NORMGRAD_DECLARE_MEMBERS(TransformerDecoder)

  /// Passes memory and masks to every layer.
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderCall& call = {});
  /// Returns forward(tgt, memory, call). Hooks are not supported.
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderCall& call = {}) {
    refuse_hooks();
    return with_path([&] { return forward(tgt, memory, call); });
  }
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const DecoderCall& call = {}) const {
    return detail::ConstCall::evaluated(*this)(tgt, memory, call);
  }

  std::vector<TransformerDecoderLayer> layers;  ///< in order
  AnyModule norm;                               ///< of the result; may be empty

 private:
  bool normgrad_calls_forward() const override { return true; }
};

}  // namespace normgrad
