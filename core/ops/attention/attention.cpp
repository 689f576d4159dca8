#include "normgrad/core/ops/attention/attention.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/attention/attention.hpp"
#include "normgrad/core/ops/attention/detail/formula.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using detail::AttentionOperands;
using detail::RepeatableDropout;

namespace {

constexpr const char* kAttention = "scaled_dot_product_attention";

Shape leading_axes(const Tensor& x, std::size_t without) {
  return Shape(std::span(x.shape().begin(), x.shape().rank() - without));
}

// x with its axes before the last `kept` replaced by `lead`.
Tensor with_lead(const Tensor& x, const Shape& lead, std::size_t kept) {
  Shape wanted = lead;
  for (std::size_t i = x.shape().rank() - kept; i < x.shape().rank(); ++i) {
    wanted.push_back(x.shape()[i]);
  }
  return x.shape() == wanted ? x : expand_to(x, wanted);
}

void check_operand(const char* name, const char* which, const char* axes, const Tensor& x, std::int64_t axes_needed) {
  require<DTypeError>(is_floating_point(x.dtype()), name, ": expected a float32 or float64 ", which, " but got ",
                      x.dtype());
  require<ShapeError>(x.dim() >= axes_needed, name, ": expected a ", which, " [", axes, "] of at least ", axes_needed,
                      " axes but got ", x.shape());
}

void check_options(const char* name, const Tensor& query, const Shape& scores, const AttentionOptions& o) {
  require<ValueError>(o.dropout_p >= 0.0 && o.dropout_p <= 1.0, name, ": expected dropout_p in [0, 1] but got ",
                      o.dropout_p);
  require<ValueError>(!o.scale || std::isfinite(*o.scale), name, ": expected a finite scale but got ",
                      o.scale.value_or(0.0));
  if (!o.attn_mask.defined()) {
    return;
  }
  require<ValueError>(!o.is_causal, name,
                      ": expected either attn_mask or is_causal but got both; combine them in attn_mask");
  const Tensor& mask = o.attn_mask;
  require<DTypeError>(mask.dtype() == kBool || mask.dtype() == query.dtype(), name,
                      ": expected an attn_mask of dtype bool or ", query.dtype(), " but got ", mask.dtype());
  bool fits = mask.shape().rank() <= scores.rank();
  for (std::size_t back = 1; fits && back <= mask.shape().rank(); ++back) {
    const std::int64_t size = mask.shape()[mask.shape().rank() - back];
    fits = size == 1 || size == scores[scores.rank() - back];
  }
  require<ShapeError>(fits, name, ": expected an attn_mask that broadcasts to ", scores, " but got ", mask.shape());
}

// The first element of each head's mask, and the steps of its rows and columns.
template <class T>
kernels::AttentionMask<T> mask_of(const AttentionOperands& o, std::vector<std::int64_t>& offsets) {
  kernels::AttentionMask<T> mask;
  if (!o.mask.defined()) {
    return mask;
  }
  const Shape& own = o.mask.shape();
  const auto strides = strides_of(own);
  const auto step = [&](std::size_t back) {
    return back <= own.rank() && own[own.rank() - back] != 1 ? strides[own.rank() - back] : std::int64_t{0};
  };
  offsets.assign(1, 0);
  for (std::size_t back = 1; back <= o.lead.rank(); ++back) {  // each axis repeats the offsets so far, shifted
    const std::size_t inner = offsets.size();
    for (std::int64_t i = 1; i < o.lead[o.lead.rank() - back]; ++i) {
      for (std::size_t j = 0; j < inner; ++j) {
        offsets.push_back(offsets[j] + i * step(back + 2));
      }
    }
  }
  if (o.mask.dtype() == kBool) {
    mask.allowed = o.mask.data<bool>();
  } else {
    mask.added = o.mask.data<T>();
  }
  mask.offsets = offsets.data();
  mask.row_step = step(2);
  mask.column_step = step(1);
  return mask;
}

kernels::AttentionGeometry geometry_of(const AttentionOperands& o) {
  return {o.heads, o.group, o.queries, o.keys, o.features, o.values, o.scale, o.causal};
}

kernels::AttentionDropout dropout_of(const RepeatableDropout& d) {
  return {static_cast<std::uint64_t>(std::ldexp(d.p, 32)), d.start.seed(), d.start.position(),
          d.p == 1.0 ? 0.0 : 1.0 / (1.0 - d.p)};
}

// What the backward needs, besides the operands themselves.
struct Saves {
  Saved query;
  Saved key;
  Saved value;
  Saved mask;
  SavedOutput y;
  Tensor largest;
  Tensor reciprocal_sum;
};

void backward_in_tiles(const AttentionOperands& o, const RepeatableDropout& dropout, const Saves& saves,
                       const Tensor& gy, GradSink& into) {
  Tensor gq = into.wants(0) ? Tensor::empty(o.query.shape(), gy.dtype()) : Tensor();
  Tensor gk = into.wants(1) ? Tensor::empty(o.key.shape(), gy.dtype()) : Tensor();
  Tensor gv = into.wants(2) ? Tensor::empty(o.value.shape(), gy.dtype()) : Tensor();
  const Tensor y = saves.y.get();
  dispatch_float(kAttention, gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<std::int64_t> offsets;
    const auto elements = [](Tensor& g) { return g.defined() ? g.mutable_data<T>() : nullptr; };
    kernels::attention_backward<T>(geometry_of(o),
                                   {gy.data<T>(), o.query.data<T>(), o.key.data<T>(), o.value.data<T>(), y.data<T>(),
                                    mask_of<T>(o, offsets), dropout_of(dropout), saves.largest.data<double>(),
                                    saves.reciprocal_sum.data<double>(), elements(gq), elements(gk), elements(gv)});
  });
  const auto hand_over = [&](std::size_t i, Tensor& g) {
    if (g.defined()) {
      into.add(i, std::move(g));
    }
  };
  hand_over(0, gq);
  hand_over(1, gk);
  hand_over(2, gv);
}

// The operation for operands with equal leading axes.
Tensor attend(const AttentionOperands& o, const RepeatableDropout& dropout) {
  Tensor y = Tensor::empty(o.result(o.values), o.query.dtype());
  const Tensor largest = Tensor::empty({o.heads, o.queries}, kFloat64);
  const Tensor reciprocal_sum = Tensor::empty({o.heads, o.queries}, kFloat64);
  dispatch_float(kAttention, y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<std::int64_t> offsets;
    Tensor m = largest;
    Tensor r = reciprocal_sum;
    kernels::attention_forward<T>(
        geometry_of(o), {o.query.data<T>(), o.key.data<T>(), o.value.data<T>(), mask_of<T>(o, offsets),
                         dropout_of(dropout), y.mutable_data<T>(), m.mutable_data<double>(), r.mutable_data<double>()});
  });
  Saves saves{Saved(o.query), Saved(o.key), Saved(o.value), Saved(o.mask), SavedOutput(y), largest, reciprocal_sum};
  AttentionOperands sizes = o;
  sizes.query = sizes.key = sizes.value = sizes.mask = Tensor();
  detail::note_arguments("scale", o.scale, "causal", o.causal, "group", o.group, "dropout", dropout.p);
  return record(kAttention, std::move(y), {o.query, o.key, o.value, o.mask},
                [sizes = std::move(sizes), saves = std::move(saves), dropout](const Tensor& gy, GradSink& into) {
                  AttentionOperands at = sizes;
                  at.query = saves.query.get();
                  at.key = saves.key.get();
                  at.value = saves.value.get();
                  at.mask = saves.mask.get();
                  if (is_grad_enabled() || into.wants(3)) {
                    formula_of_gradients(at, dropout, gy, into);
                  } else {
                    backward_in_tiles(at, dropout, saves, gy, into);
                  }
                });
}

}  // namespace

AttentionOperands::AttentionOperands(const char* name, const Tensor& q, const Tensor& k, const Tensor& v,
                                     const AttentionOptions& options) {
  const std::int64_t axes = options.enable_gqa ? 3 : 2;
  check_operand(name, "query", options.enable_gqa ? "*, heads, L, E" : "*, L, E", q, axes);
  check_operand(name, "key", options.enable_gqa ? "*, heads, S, E" : "*, S, E", k, axes);
  detail::check_same_dtype(name, q, k);
  queries = q.size(-2);
  features = q.size(-1);
  keys = k.size(-2);
  require<ShapeError>(k.size(-1) == features, name, ": expected a key [*, S, ", features, "] for a query ", q.shape(),
                      " but got ", k.shape());
  if (v.defined()) {
    check_operand(name, "value", options.enable_gqa ? "*, heads, S, Ev" : "*, S, Ev", v, axes);
    detail::check_same_dtype(name, q, v);
    values = v.size(-1);
    require<ShapeError>(v.size(-2) == keys, name, ": expected a value [*, ", keys, ", Ev] for a key ", k.shape(),
                        " but got ", v.shape());
  }
  const auto outer = static_cast<std::size_t>(axes);
  Shape common = broadcast_shapes(name, leading_axes(q, outer), leading_axes(k, outer));
  if (v.defined()) {
    common = broadcast_shapes(name, common, leading_axes(v, outer));
  }
  if (options.enable_gqa) {
    const std::int64_t kv_heads = k.size(-3);
    require<ShapeError>(!v.defined() || v.size(-3) == kv_heads, name, ": expected a value of ", kv_heads,
                        " heads, like the key, but got ", v.shape());
    require<ShapeError>(kv_heads > 0 && q.size(-3) % kv_heads == 0, name,
                        ": expected the heads of the query to be a multiple of those of the key but got ", q.shape(),
                        " and ", k.shape());
    group = std::max<std::int64_t>(1, q.size(-3) / kv_heads);
  }
  query = with_lead(q, common, outer);
  key = with_lead(k, common, outer);
  value = v.defined() ? with_lead(v, common, outer) : Tensor();
  lead = leading_axes(query, 2);
  heads = lead.numel();
  check_options(name, q, result(keys), options);
  mask = options.attn_mask;
  causal = options.is_causal;
  // Without features all scores are 0, whatever their scale.
  scale = options.scale.value_or(features == 0 ? 1.0 : 1.0 / std::sqrt(static_cast<double>(features)));
}

Shape AttentionOperands::result(std::int64_t last) const {
  Shape shape = lead;
  shape.push_back(queries);
  shape.push_back(last);
  return shape;
}

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options) {
  require<ValueError>(value.defined(), kAttention, ": expected a value but got an undefined tensor");
  const AttentionOperands o(kAttention, query, key, value, options);
  RepeatableDropout dropout{options.dropout_p};
  if (options.dropout_p > 0.0) {
    Generator& generator = options.generator == nullptr ? default_generator() : *options.generator;
    dropout.start = generator;
    generator.set_position(generator.position() + static_cast<std::uint64_t>(o.result(o.keys).numel()));
  }
  return o.result(o.keys).numel() == 0 ? formula_of_attention(o, dropout) : attend(o, dropout);
}

Tensor attention_weights(const Tensor& query, const Tensor& key, const AttentionOptions& options) {
  const AttentionOperands o("attention_weights", query, key, {}, options);
  return reshape_to(formula_of_weights(o), o.result(o.keys));
}

}  // namespace normgrad
