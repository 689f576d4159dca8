// Attention as a formula in tensor operations. Internal.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/ops/attention/attention.hpp"

namespace normgrad::detail {

/// Operands with equal leading axes and their sizes: query [lead..., L, E], key [kv lead..., S, E],
/// value [kv lead..., S, Ev], where the last of the kv lead axes may be shorter by the factor `group`.
struct AttentionOperands {
  Tensor query;
  Tensor key;
  Tensor value;  ///< undefined if only weights are wanted
  Tensor mask;   ///< undefined: none
  Shape lead;    ///< leading axes of the query
  std::int64_t heads = 1;
  std::int64_t group = 1;
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t features = 0;
  std::int64_t values = 0;
  double scale = 1.0;
  bool causal = false;

  /// Checks and broadcasts. `value` may be undefined.
  AttentionOperands(const char* name, const Tensor& query, const Tensor& key, const Tensor& value,
                    const AttentionOptions& options);
  Shape result(std::int64_t last) const;  ///< [lead..., L, last]
};

/// Dropout of weights, repeatable.
struct RepeatableDropout {
  double p = 0.0;
  Generator start = Generator();  ///< the generator before the draw

  Tensor operator()(const Tensor& x) const;
};

/// The weights [heads / group, group, L, S].
Tensor formula_of_weights(const AttentionOperands& o);
/// The result [lead..., L, Ev].
Tensor formula_of_attention(const AttentionOperands& o, const RepeatableDropout& dropout);
/// The gradients of query, key, value and mask, as recorded operations.
void formula_of_gradients(const AttentionOperands& o, const RepeatableDropout& dropout, const Tensor& gy,
                          GradSink& into);

}  // namespace normgrad::detail
