// Multi-head attention. Vaswani et al., "Attention is all you need", 2017, section 3.2.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of a MultiheadAttention. Names and defaults are PyTorch's.
struct MultiheadAttentionOptions {
  double dropout = 0.0;                   ///< probability of dropping a weight in training
  bool bias = true;                       ///< whether all projections add a bias
  bool add_bias_kv = false;               ///< not supported: true throws
  bool add_zero_attn = false;             ///< not supported: true throws
  std::optional<std::int64_t> kdim = {};  ///< features of key; embed_dim by default
  std::optional<std::int64_t> vdim = {};  ///< features of value; embed_dim by default
  bool batch_first = false;               ///< [N, L, E] instead of [L, N, E]
  /// Rotates queries and keys by their positions, with this base (see rotary_embedding()); PyTorch has no such option.
  std::optional<double> rotary_base = {};
  /// A name of the norm registry (see registry.hpp), such as "layer" or "rms", for norms of the head_dim features of
  /// each query and of each key, before rotary_base; empty: none. PyTorch has no such option. Henry et al.,
  /// "Query-Key Normalization for Transformers", 2020; with LayerNorm Dehghani et al., "Scaling Vision Transformers to
  /// 22 Billion Parameters", 2023.
  std::string qk_norm = {};
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// Keys and values of earlier positions, for generation one position (or some) at a time; see AttentionCall::cache.
struct KeyValueCache {
  Tensor key;    ///< [N, num_heads, length, head_dim]; undefined at first
  Tensor value;  ///< the same shape
  /// Returns the number of positions kept.
  std::int64_t length() const { return key.defined() ? key.size(2) : 0; }
};

/// Arguments of a call of MultiheadAttention besides query, key and value. Names and defaults are PyTorch's.
struct AttentionCall {
  /// [N, S], or [S] without a batch. bool: true where a key is ignored; otherwise added to the scores.
  Tensor key_padding_mask = {};
  bool need_weights = true;  ///< whether to return the weights, which takes memory for L x S of them per head
  /// [L, S] or [N * num_heads, L, S]. bool: true where a query may not see a key, the opposite of
  /// scaled_dot_product_attention(); otherwise added to the scores.
  Tensor attn_mask = {};
  bool average_attn_weights = true;  ///< the mean of the weights over the heads instead of those of each head
  bool is_causal = false;            ///< hides later keys, alone or in addition to attn_mask
  /// Keys and values of the call are appended to the cache, and its queries see all of the cache: S becomes the
  /// cache's new length. Positions count from the start of the cache for is_causal. Not owned; null: no cache.
  KeyValueCache* cache = nullptr;
};

/// Result of a MultiheadAttention.
struct AttentionResult {
  Tensor attn_output;  ///< the query's shape
  /// [N, L, S], or [N, num_heads, L, S] if not averaged, without N if the query has none; after dropout; undefined
  /// unless need_weights.
  Tensor attn_output_weights;
};

/// out_proj(concatenation over the heads of softmax(Q K^T / sqrt(head_dim) + masks) V), where Q, K and V are linear in
/// query [L, N, E], key [S, N, kdim] and value [S, N, vdim] ([N, L, E] etc. with batch_first, [L, E] etc. without a
/// batch). The projections of PyTorch's layer, under its names: in_proj_weight if kdim and vdim are embed_dim,
/// otherwise q_proj_weight, k_proj_weight and v_proj_weight. They start Xavier uniform, biases at 0, out_proj.weight
/// like a Linear's.
///
/// A query that sees no key gives zeros before out_proj.
class MultiheadAttention : public Module {
 public:
  /// Throws ValueError unless embed_dim and num_heads are positive and num_heads divides embed_dim, for a dropout
  /// outside [0, 1], for add_bias_kv and add_zero_attn, and for a qk_norm that is unknown or not applicable to
  /// features.
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, MultiheadAttentionOptions options = {});
  NORMGRAD_DECLARE_MEMBERS(MultiheadAttention)
  std::string extra_repr() const override;

  /// Self-attention without masks and weights: forward(x, x, x).attn_output.
  Tensor forward(const Tensor& x) override;
  /// Throws ShapeError for operands and masks that do not fit, and DTypeError for masks that are neither bool nor of
  /// the query's dtype.
  AttentionResult forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionCall& call = {});
  using Module::operator();
  /// Returns forward(query, key, value, call). Hooks are not supported.
  AttentionResult operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                             const AttentionCall& call = {}) {
    refuse_hooks();
    return with_path([&] { return forward(query, key, value, call); });
  }
  AttentionResult operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                             const AttentionCall& call = {}) const {
    return detail::ConstCall::evaluated(*this)(query, key, value, call);
  }

  /// The constructor's arguments.
  std::int64_t embed_dim() const noexcept { return embed_dim_; }
  std::int64_t num_heads() const noexcept { return num_heads_; }
  bool batch_first() const noexcept { return batch_first_; }
  /// Initializes the parameters again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter in_proj_weight;  ///< [3 * embed_dim, embed_dim]: query, key, value; undefined with kdim or vdim
  Parameter q_proj_weight;   ///< [embed_dim, embed_dim]; undefined unless kdim or vdim differ from embed_dim
  Parameter k_proj_weight;   ///< [embed_dim, kdim]; likewise
  Parameter v_proj_weight;   ///< [embed_dim, vdim]; likewise
  Parameter in_proj_bias;    ///< [3 * embed_dim]; undefined without bias
  Linear out_proj;           ///< embed_dim to embed_dim
  AnyModule q_norm;          ///< of the queries of each head; empty without qk_norm
  AnyModule k_norm;          ///< of the keys of each head; likewise

 private:
  struct Projected;
  Projected project(const Tensor& query, const Tensor& key, const Tensor& value, bool batched) const;
  Tensor mask_of(const AttentionCall& call, const Projected& p, std::int64_t before, bool batched) const;

  std::int64_t embed_dim_;
  std::int64_t num_heads_;
  std::int64_t kdim_;
  std::int64_t vdim_;
  double dropout_;
  bool batch_first_;
  std::optional<double> rotary_base_;
};

namespace detail {
/// norm(x) for x: [*, C], with every position as a row of features.
Tensor per_position(const AnyModule& norm, const Tensor& x);
}  // namespace detail

}  // namespace normgrad
