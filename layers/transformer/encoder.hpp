// Transformer encoder. Vaswani et al., "Attention is all you need", 2017.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/transformer/multihead_attention.hpp"
#include "normgrad/layers/transformer/placement.hpp"

namespace normgrad {

/// Options of the layers of encoders and decoders. Names and defaults are PyTorch's; it has no norm, placement,
/// deepnorm, qk_norm and rotary_base.
struct TransformerLayerOptions {
  std::int64_t dim_feedforward = 2048;          ///< features between linear1 and linear2
  double dropout = 0.1;                         ///< of attention weights, of the activation, and of each branch
  Tensor (*activation)(const Tensor&) = &relu;  ///< between linear1 and linear2; PyTorch's other choice is gelu
  double layer_norm_eps = 1e-5;                 ///< eps of the LayerNorms; other norms have theirs in `norm`
  bool batch_first = false;                     ///< [N, L, E] instead of [L, N, E]
  bool norm_first = false;                      ///< norms before the branches (pre-norm) instead of after the sums
  bool bias = true;                             ///< whether linear layers and LayerNorms have a bias
  /// A name of the norm registry (see registry.hpp) for features [N, C], where N counts all positions of the batch:
  /// "layer", "rms", "rms:eps=1e-6", "group:8", "batch", "none".
  std::string norm = "layer";
  /// Where the norms stand. Empty: as norm_first says.
  ///
  /// - "post": norm(x + branch(x)), Vaswani et al. 2017; norm_first = false
  /// - "pre": x + branch(norm(x)), Xiong et al., "On layer normalization in the transformer architecture", 2020;
  ///   norm_first = true
  /// - "sandwich": x + norm_out(branch(norm(x))), Ding et al., "CogView", 2021
  /// - "deepnorm": norm(alpha x + branch(x)), Wang et al., "DeepNet", 2022, with the scales in `deepnorm`
  /// - "none": x + branch(x), without norms
  std::string placement = {};
  std::optional<DeepNormScale> deepnorm = {};  ///< for the placement "deepnorm": deepnorm_scale(num_layers)
  std::string qk_norm = {};                    ///< a norm of queries and keys; see MultiheadAttentionOptions
  std::optional<double> rotary_base = {};  ///< rotary positions of self-attention, with this base; see RotaryOptions
  DType dtype = kFloat32;                  ///< dtype of the parameters
  Generator* generator = nullptr;          ///< source of the initial values; null: default_generator()
};

/// Arguments of a call of TransformerEncoderLayer besides src; see AttentionCall for the masks.
struct EncoderLayerCall {
  Tensor src_mask = {};              ///< [L, L] or [N * nhead, L, L]
  Tensor src_key_padding_mask = {};  ///< [N, L]
  bool is_causal = false;            ///< hides later positions
  KeyValueCache* cache = nullptr;    ///< earlier positions, for generation; null: none
};

/// Self-attention and a feed-forward network, each added to its input: x = norm1(x + attention(x)),
/// x = norm2(x + linear2(activation(linear1(x)))), or with norm_first x = x + attention(norm1(x)),
/// x = x + linear2(activation(linear1(norm2(x)))). TransformerLayerOptions::placement has more.
class TransformerEncoderLayer : public Module {
 public:
  /// Throws ValueError for the errors of MultiheadAttention, for dim_feedforward <= 0, for a norm that is unknown or
  /// not applicable to features, and for a placement that is unknown, contradicts norm_first or lacks its scales.
  TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerLayerOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(TransformerEncoderLayer)
  std::string extra_repr() const override;

  /// src: [L, N, E], [N, L, E] with batch_first, or [L, E] -> the same shape.
  Tensor forward(const Tensor& src) override { return forward(src, {}); }
  Tensor forward(const Tensor& src, const EncoderLayerCall& call);
  using Module::operator();
  /// Returns forward(src, call). Hooks are not supported.
  Tensor operator()(const Tensor& src, const EncoderLayerCall& call) {
    refuse_hooks();
    return with_path([&] { return forward(src, call); });
  }
  Tensor operator()(const Tensor& src, const EncoderLayerCall& call) const {
    return detail::ConstCall::evaluated(*this)(src, call);
  }

  MultiheadAttention self_attn;  ///< d_model features
  Linear linear1;                ///< d_model to dim_feedforward
  Dropout dropout;               ///< of the activation
  Linear linear2;                ///< dim_feedforward to d_model
  AnyModule norm1;               ///< of the attention; empty for the placement "none"
  AnyModule norm2;               ///< of the feed-forward network; likewise
  Dropout dropout1;              ///< of the attention
  Dropout dropout2;              ///< of the feed-forward network
  AnyModule norm1_out;           ///< of the result of the attention; empty unless the placement is "sandwich"
  AnyModule norm2_out;           ///< of the result of the feed-forward network; likewise

 private:
  /// `residual` comes last, so that wrong sizes are reported first.
  TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerLayerOptions& options,
                          const detail::Residual& residual);

  Tensor (*activation_)(const Tensor&);
  detail::Residual residual_;
};

/// A stack of layers, which start as copies of one.
class TransformerEncoder : public Module {
 public:
  /// `norm` is applied to the result; empty: none. Throws ValueError unless num_layers is positive.
  TransformerEncoder(const TransformerEncoderLayer& encoder_layer, std::int64_t num_layers, AnyModule norm = {});
  NORMGRAD_DECLARE_MEMBERS(TransformerEncoder)

  Tensor forward(const Tensor& src) override { return forward(src, {}); }
  /// Passes the masks to every layer. Throws ValueError if `call.cache` is set: each layer needs its own.
  Tensor forward(const Tensor& src, const EncoderLayerCall& call);
  /// Generation: src holds the positions after those in `caches`, one per layer, which grow by them. An empty vector is
  /// filled. Throws ValueError for another number of caches.
  Tensor forward(const Tensor& src, std::vector<KeyValueCache>& caches);
  using Module::operator();
  /// Return forward() of the same arguments. Hooks are not supported.
  Tensor operator()(const Tensor& src, const EncoderLayerCall& call) {
    refuse_hooks();
    return with_path([&] { return forward(src, call); });
  }
  Tensor operator()(const Tensor& src, const EncoderLayerCall& call) const {
    return detail::ConstCall::evaluated(*this)(src, call);
  }
  Tensor operator()(const Tensor& src, std::vector<KeyValueCache>& caches) {
    refuse_hooks();
    return with_path([&] { return forward(src, caches); });
  }
  Tensor operator()(const Tensor& src, std::vector<KeyValueCache>& caches) const {
    return detail::ConstCall::evaluated(*this)(src, caches);
  }

  std::vector<TransformerEncoderLayer> layers;  ///< in order
  AnyModule norm;                               ///< of the result; may be empty
};

namespace detail {
/// The options of an attention within a layer.
MultiheadAttentionOptions attention_options(const TransformerLayerOptions& options, std::optional<double> rotary_base);
/// The norm of `options` for d_model features.
AnyModule transformer_norm(std::int64_t d_model, const TransformerLayerOptions& options);
/// Checks d_model and dim_feedforward, which it returns.
std::int64_t checked_feedforward(const char* layer, std::int64_t d_model, const TransformerLayerOptions& options);
/// Copies of a layer. Throws ValueError, naming the stack, unless num_layers is positive.
template <class Layer>
std::vector<Layer> stack_of(const char* stack, const Layer& layer, std::int64_t num_layers) {
  require<ValueError>(num_layers > 0, stack, ": expected num_layers > 0 but got ", num_layers);
  std::vector<Layer> layers;
  for (std::int64_t i = 0; i < num_layers; ++i) {
    layers.push_back(layer);
  }
  return layers;
}
}  // namespace detail

}  // namespace normgrad
