#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/attention/detail/formula.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/matrix_product.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

namespace {

// [heads / group, group, rows, columns] of an array per query head.
Tensor per_query_head(const AttentionOperands& o, const Tensor& x, std::int64_t rows, std::int64_t columns) {
  return reshape_to(x, {o.heads / o.group, o.group, rows, columns});
}

// [heads / group, 1, rows, columns] of an array per head of key and value.
Tensor per_key_head(const AttentionOperands& o, const Tensor& x, std::int64_t columns) {
  return reshape_to(x, {o.heads / o.group, 1, o.keys, columns});
}

// Broadcasts to [heads / group, group, L, S].
Tensor mask_per_head(const AttentionOperands& o) {
  return o.mask.dim() <= 2 ? o.mask : per_query_head(o, expand_to(o.mask, o.result(o.keys)), o.queries, o.keys);
}

Tensor seen_by(const AttentionOperands& o) {
  const Tensor query = reshape_to(arange(o.queries), {o.queries, 1});
  return le(arange(o.keys), query);
}

}  // namespace

Tensor RepeatableDropout::operator()(const Tensor& x) const {
  Generator generator = start;
  return dropout(x, p, true, &generator);
}

Tensor formula_of_weights(const AttentionOperands& o) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Tensor q = per_query_head(o, o.query, o.queries, o.features);
  Tensor s = matrix_product(mul(q, o.scale), false, per_key_head(o, o.key, o.features), true);
  if (s.numel() == 0) {
    return s;
  }
  const Tensor masked = scalar_like(s, -kInfinity);
  if (o.causal) {
    s = where(seen_by(o), s, masked);
  }
  if (!o.mask.defined()) {
    return softmax(s, -1);
  }
  const Tensor mask = mask_per_head(o);
  s = mask.dtype() == kBool ? where(mask, s, masked) : add(s, mask);
  const Tensor zero = scalar_like(s, 0.0);
  const Tensor sees_none = eq(max(s.detach(), -1, true), -kInfinity);
  return where(sees_none, zero, softmax(where(sees_none, zero, s), -1));
}

Tensor formula_of_attention(const AttentionOperands& o, const RepeatableDropout& dropout) {
  const Tensor y = matrix_product(dropout(formula_of_weights(o)), false, per_key_head(o, o.value, o.values), false);
  return reshape_to(y, o.result(o.values));
}

void formula_of_gradients(const AttentionOperands& o, const RepeatableDropout& dropout, const Tensor& gy,
                          GradSink& into) {
  const Tensor p = formula_of_weights(o);
  const Tensor g = per_query_head(o, gy, o.queries, o.values);
  if (into.wants(2)) {
    into.add(2, reshape_to(sum(matrix_product(dropout(p), true, g, false), 1), o.value.shape()));
  }
  if (!into.wants(0) && !into.wants(1) && !into.wants(3)) {
    return;
  }
  const Tensor gp = dropout(matrix_product(g, false, per_key_head(o, o.value, o.values), true));
  const Tensor gs = mul(p, sub(gp, sum(mul(gp, p), -1, true)));
  if (into.wants(0)) {
    const Tensor gq = matrix_product(gs, false, per_key_head(o, o.key, o.features), false);
    into.add(0, reshape_to(mul(gq, o.scale), o.query.shape()));
  }
  if (into.wants(1)) {
    const Tensor q = per_query_head(o, o.query, o.queries, o.features);
    into.add(1, reshape_to(mul(sum(matrix_product(gs, true, q, false), 1), o.scale), o.key.shape()));
  }
  if (into.wants(3)) {
    into.add(3, sum_to(reshape_to(gs, o.result(o.keys)), o.mask.shape()));
  }
}

}  // namespace normgrad::detail
