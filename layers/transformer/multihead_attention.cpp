#include "normgrad/layers/transformer/multihead_attention.hpp"

#include <limits>
#include <vector>

#include "normgrad/core/ops/attention/attention.hpp"
#include "normgrad/core/ops/attention/positions.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/init/init.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(MultiheadAttention, in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias,
                        out_proj, q_norm, k_norm)

namespace {

constexpr const char* kLayer = "MultiheadAttention";

// Query, key and value per head: [N, num_heads, L or S, head_dim].
Tensor split_heads(const Tensor& x, std::int64_t heads, bool batched, bool batch_first) {
  const std::int64_t width = x.size(-1) / heads;
  if (!batched) {
    return permute(reshape_to(x, {1, x.size(0), heads, width}), {0, 2, 1, 3});
  }
  return permute(reshape_to(x, {x.size(0), x.size(1), heads, width}),
                 batch_first ? std::vector<std::int64_t>{0, 2, 1, 3} : std::vector<std::int64_t>{1, 2, 0, 3});
}

Tensor join_heads(const Tensor& x, bool batched, bool batch_first) {
  const Tensor y = permute(
      x, batch_first || !batched ? std::vector<std::int64_t>{0, 2, 1, 3} : std::vector<std::int64_t>{2, 0, 1, 3});
  const std::int64_t width = x.size(1) * x.size(3);
  return batched ? reshape_to(y, {y.size(0), y.size(1), width}) : reshape_to(y, {y.size(1), width});
}

// A mask to be added: 0 and -infinity for a bool mask, true where a key is hidden.
Tensor added_mask(const char* which, const Tensor& mask, DType dtype) {
  require<DTypeError>(mask.dtype() == kBool || mask.dtype() == dtype, kLayer, ": expected ", which,
                      " of dtype bool or ", dtype, " but got ", mask.dtype());
  const TensorOptions options{.dtype = dtype};
  return mask.dtype() == kBool
             ? where(mask, full({}, -std::numeric_limits<double>::infinity(), options), zeros({}, options))
             : mask;
}

// Joins two masks for scaled_dot_product_attention(), of which either may be undefined.
Tensor joined(const Tensor& a, const Tensor& b) { return a.defined() && b.defined() ? add(a, b) : a.defined() ? a : b; }

}  // namespace

Tensor detail::per_position(const AnyModule& norm, const Tensor& x) {
  return x.dim() == 2 ? norm(x) : reshape_to(norm(flatten(x, 0, -2)), x.shape());
}

struct MultiheadAttention::Projected {
  Tensor q, k, v;
};

MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                                       MultiheadAttentionOptions options)
    : out_proj(embed_dim > 0 ? embed_dim : 1, embed_dim > 0 ? embed_dim : 1,
               {.bias = options.bias, .dtype = options.dtype, .generator = options.generator}),
      embed_dim_(embed_dim),
      num_heads_(num_heads),
      kdim_(options.kdim.value_or(embed_dim)),
      vdim_(options.vdim.value_or(embed_dim)),
      dropout_(options.dropout),
      batch_first_(options.batch_first),
      rotary_base_(options.rotary_base) {
  require<ValueError>(embed_dim > 0, kLayer, ": expected embed_dim > 0 but got ", embed_dim);
  require<ValueError>(num_heads > 0 && embed_dim % num_heads == 0, kLayer,
                      ": expected num_heads > 0 that divides embed_dim ", embed_dim, " but got ", num_heads);
  require<ValueError>(kdim_ > 0, kLayer, ": expected kdim > 0 but got ", kdim_);
  require<ValueError>(vdim_ > 0, kLayer, ": expected vdim > 0 but got ", vdim_);
  require<ValueError>(dropout_ >= 0.0 && dropout_ <= 1.0, kLayer, ": expected dropout in [0, 1] but got ", dropout_);
  require<ValueError>(!rotary_base_ || *rotary_base_ > 0.0, kLayer, ": expected rotary_base > 0 but got ",
                      rotary_base_.value_or(0.0));
  require<ValueError>(!rotary_base_ || embed_dim / num_heads % 2 == 0, kLayer,
                      ": expected an even number of features per head for rotary_base but got ", embed_dim / num_heads);
  require<ValueError>(!options.add_bias_kv, kLayer, ": add_bias_kv is not supported; leave it false");
  require<ValueError>(!options.add_zero_attn, kLayer, ": add_zero_attn is not supported; leave it false");
  if (kdim_ == embed_dim && vdim_ == embed_dim) {
    in_proj_weight = Parameter(Tensor::empty({3 * embed_dim, embed_dim}, options.dtype));
  } else {
    q_proj_weight = Parameter(Tensor::empty({embed_dim, embed_dim}, options.dtype));
    k_proj_weight = Parameter(Tensor::empty({embed_dim, kdim_}, options.dtype));
    v_proj_weight = Parameter(Tensor::empty({embed_dim, vdim_}, options.dtype));
  }
  if (options.bias) {
    in_proj_bias = Parameter(Tensor::empty({3 * embed_dim}, options.dtype));
  }
  if (!options.qk_norm.empty()) {
    const NormContext per_head{.num_features = embed_dim / num_heads, .dtype = options.dtype};
    q_norm = make_norm(options.qk_norm, per_head);
    k_norm = make_norm(options.qk_norm, per_head);
  }
  reset_parameters(options.generator);
}

void MultiheadAttention::reset_parameters(Generator* generator) {
  out_proj.reset_parameters(generator);
  for (Parameter* weight : {&in_proj_weight, &q_proj_weight, &k_proj_weight, &v_proj_weight}) {
    if (weight->defined()) {
      xavier_uniform_(*weight, {.generator = generator});
    }
  }
  if (in_proj_bias.defined()) {
    zeros_(in_proj_bias);
    zeros_(out_proj.bias);
  }
}

std::string MultiheadAttention::extra_repr() const {
  std::string text = detail::concat("embed_dim=", embed_dim_, ", num_heads=", num_heads_);
  if (kdim_ != embed_dim_ || vdim_ != embed_dim_) {
    text += detail::concat(", kdim=", kdim_, ", vdim=", vdim_);
  }
  return text + detail::concat(", dropout=", dropout_, ", bias=", in_proj_bias.defined() ? "true" : "false",
                               ", batch_first=", batch_first_ ? "true" : "false");
}

MultiheadAttention::Projected MultiheadAttention::project(const Tensor& query, const Tensor& key, const Tensor& value,
                                                          bool batched) const {
  const auto heads = [&](const Tensor& x) { return split_heads(x, num_heads_, batched, batch_first_); };
  const std::int64_t e = embed_dim_;
  if (in_proj_weight.defined() && is_same(query, key) && is_same(key, value)) {
    const Tensor all = linear(query, in_proj_weight, in_proj_bias);
    const auto part = [&](std::int64_t i) { return heads(narrow(all, -1, i * e, e)); };
    return {part(0), part(1), part(2)};
  }
  const auto projected = [&](const Tensor& x, const Parameter& own, std::int64_t i) {
    const Tensor weight = own.defined() ? Tensor(own) : Tensor(narrow(in_proj_weight, 0, i * e, e));
    return heads(linear(x, weight, in_proj_bias.defined() ? Tensor(narrow(in_proj_bias, 0, i * e, e)) : Tensor()));
  };
  return {projected(query, q_proj_weight, 0), projected(key, k_proj_weight, 1), projected(value, v_proj_weight, 2)};
}

Tensor MultiheadAttention::mask_of(const AttentionCall& call, const Projected& p, std::int64_t before,
                                   bool batched) const {
  const std::int64_t n = p.q.size(0), queries = p.q.size(2), keys = p.k.size(2);
  Tensor mask;
  if (call.attn_mask.defined()) {
    const Shape& shape = call.attn_mask.shape();
    const Shape full_shape{n * num_heads_, queries, keys};
    require<ShapeError>(shape == Shape({queries, keys}) || shape == full_shape, kLayer, ": expected an attn_mask ",
                        Shape({queries, keys}), " or ", full_shape, " but got ", shape);
    mask = added_mask("attn_mask", call.attn_mask, p.q.dtype());
    mask = shape.rank() == 2 ? mask : reshape_to(mask, {n, num_heads_, queries, keys});
  }
  if (call.is_causal && (queries > 1 || before == 0)) {
    const Tensor last = reshape_to(arange(before, before + queries), {queries, 1});
    mask = joined(mask, added_mask("mask", gt(arange(keys), last), p.q.dtype()));
  }
  if (call.key_padding_mask.defined()) {
    const Shape wanted = batched ? Shape{n, keys} : Shape{keys};
    require<ShapeError>(call.key_padding_mask.shape() == wanted, kLayer, ": expected a key_padding_mask ", wanted,
                        " but got ", call.key_padding_mask.shape());
    const Tensor padding = added_mask("key_padding_mask", call.key_padding_mask, p.q.dtype());
    mask = joined(mask, reshape_to(padding, {n, 1, 1, keys}));
  }
  return mask;
}

Tensor MultiheadAttention::forward(const Tensor& x) { return forward(x, x, x, {.need_weights = false}).attn_output; }

AttentionResult MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                            const AttentionCall& call) {
  const bool batched = query.dim() == 3;
  require<ShapeError>(batched || query.dim() == 2, kLayer, ": expected a query ", batch_first_ ? "[N, L, " : "[L, N, ",
                      embed_dim_, "] or [L, ", embed_dim_, "] but got ", query.shape());
  const auto check = [&](const char* which, const Tensor& x, std::int64_t features) {
    require<ShapeError>(x.dim() == query.dim() && x.size(-1) == features, kLayer, ": expected a ", which,
                        !batched       ? " [L, "
                        : batch_first_ ? " [N, L, "
                                       : " [L, N, ",
                        features, "] but got ", x.shape());
    require<ShapeError>(!batched || x.size(batch_first_ ? 0 : 1) == query.size(batch_first_ ? 0 : 1), kLayer,
                        ": expected a ", which, " of the query's batch size ", query.size(batch_first_ ? 0 : 1),
                        " but got ", x.shape());
  };
  check("query", query, embed_dim_);
  check("key", key, kdim_);
  check("value", value, vdim_);
  const std::int64_t length_axis = batched && batch_first_ ? 1 : 0;
  require<ShapeError>(key.size(length_axis) == value.size(length_axis), kLayer,
                      ": expected key and value of the same length but got ", key.shape(), " and ", value.shape());
  Projected p = project(query, key, value, batched);
  if (q_norm) {
    p.q = detail::per_position(q_norm, p.q);
    p.k = detail::per_position(k_norm, p.k);
  }
  const std::int64_t before = call.cache == nullptr ? 0 : call.cache->length();
  if (rotary_base_) {
    p.q = rotary_embedding(p.q, {.offset = before, .base = *rotary_base_});
    p.k = rotary_embedding(p.k, {.offset = before, .base = *rotary_base_});
  }
  if (before > 0) {
    require<ShapeError>(call.cache->key.size(0) == p.k.size(0), kLayer, ": expected a cache of batch size ",
                        p.k.size(0), " but got ", call.cache->key.size(0));
    p.k = cat({call.cache->key, p.k}, 2);
    p.v = cat({call.cache->value, p.v}, 2);
  }
  const double drop = is_training() ? dropout_ : 0.0;
  const bool tiles_hide_later =
      call.is_causal && before == 0 && !call.attn_mask.defined() && !call.key_padding_mask.defined();
  AttentionOptions options{.is_causal = tiles_hide_later};
  if (!tiles_hide_later) {
    options.attn_mask = mask_of(call, p, before, batched);
  }
  AttentionResult result;
  Tensor y;
  if (call.need_weights) {
    Tensor weights = dropout(attention_weights(p.q, p.k, options), drop);
    y = matmul(weights, p.v);
    weights = call.average_attn_weights ? mean(weights, 1) : weights;
    result.attn_output_weights = batched ? weights : squeeze(weights, 0);
  } else {
    options.dropout_p = drop;
    y = scaled_dot_product_attention(p.q, p.k, p.v, options);
  }
  result.attn_output = out_proj(join_heads(y, batched, batch_first_));
  if (call.cache != nullptr) {
    *call.cache = {p.k, p.v};
  }
  return result;
}

}  // namespace normgrad
