// Scaled dot-product attention. Vaswani et al., "Attention is all you need", 2017, section 3.2.1.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// Options of scaled_dot_product_attention(), with PyTorch's names and defaults.
struct AttentionOptions {
  /// Broadcasts to [..., L, S]. bool: true where a query may see a key. The dtype of the query: added to the scores.
  Tensor attn_mask = {};
  double dropout_p = 0.0;            ///< probability of dropping a weight, also outside of training, as in PyTorch
  bool is_causal = false;            ///< query i sees keys 0 to i; not together with attn_mask
  std::optional<double> scale = {};  ///< factor of the scores; 1 / sqrt(E) by default
  bool enable_gqa = false;           ///< whether groups of query heads share a head of key and value
  Generator* generator = nullptr;    ///< for dropout; default_generator() if null
};

/// softmax(scale * query key^T + mask) value. query: [..., L, E], key: [..., S, E], value: [..., S, Ev] -> [..., L,
/// Ev], float32 or float64. Leading axes broadcast. With enable_gqa the third axis from the end is the head: query has
/// a multiple of the heads of key and value, and query head h reads head h / (multiple) (Ainslie et al., "GQA: training
/// generalized multi-query transformer models from multi-head checkpoints", 2023).
///
/// A query whose keys are all masked (or that has none: S = 0) gives zeros and gets no gradient, as in PyTorch 2.5 and
/// later. Scores of -infinity alone count as masked; NaN propagates.
///
/// Memory is linear in L and S: tiles of scores are computed, used and recomputed in the backward (Dao et al.,
/// "FlashAttention", 2022). The gradient of a mask and gradients of higher order use the formula in tensor operations,
/// which takes memory for all L x S scores. Differentiable to any order.
///
/// Throws ShapeError for shapes that do not fit, DTypeError for different dtypes, and ValueError for a dropout_p
/// outside [0, 1], for is_causal with attn_mask and for a scale that is not finite.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options = {});

/// The weights of the same attention before dropout, softmax(scale * query key^T + mask): [..., L, S]. For inspection:
/// takes memory for all of them. Differentiable to any order. Throws as scaled_dot_product_attention().
Tensor attention_weights(const Tensor& query, const Tensor& key, const AttentionOptions& options = {});

}  // namespace normgrad
