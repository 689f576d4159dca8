#include "normgrad/layers/transformer/encoder.hpp"

#include <utility>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(TransformerEncoderLayer, self_attn, linear1, dropout, linear2, norm1, norm2, dropout1, dropout2)
NORMGRAD_DEFINE_MEMBERS(TransformerEncoder, layers, norm)

MultiheadAttentionOptions detail::attention_options(const TransformerLayerOptions& o,
                                                    std::optional<double> rotary_base) {
  return {.dropout = o.dropout,
          .bias = o.bias,
          .batch_first = o.batch_first,
          .rotary_base = rotary_base,
          .dtype = o.dtype,
          .generator = o.generator};
}

AnyModule detail::transformer_norm(std::int64_t d_model, const TransformerLayerOptions& options) {
  if (options.norm == "layer") {
    return LayerNorm(d_model, {.eps = options.layer_norm_eps, .bias = options.bias, .dtype = options.dtype});
  }
  return make_norm(options.norm, {.num_features = d_model, .spatial_dims = 0, .dtype = options.dtype});
}

Tensor detail::per_position(const AnyModule& norm, const Tensor& x) {
  return x.dim() == 2 ? norm(x) : reshape_to(norm(flatten(x, 0, -2)), x.shape());
}

std::int64_t detail::checked_feedforward(const char* layer, std::int64_t d_model,
                                         const TransformerLayerOptions& options) {
  require<ValueError>(d_model > 0, layer, ": expected d_model > 0 but got ", d_model);
  require<ValueError>(options.dim_feedforward > 0, layer, ": expected dim_feedforward > 0 but got ",
                      options.dim_feedforward);
  require<ValueError>(options.activation != nullptr, layer, ": expected an activation but got null");
  return options.dim_feedforward;
}

TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerLayerOptions& o)
    : self_attn(d_model, nhead, detail::attention_options(o, o.rotary_base)),
      linear1(d_model, detail::checked_feedforward("TransformerEncoderLayer", d_model, o),
              {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      norm1(detail::transformer_norm(d_model, o)),
      norm2(detail::transformer_norm(d_model, o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      activation_(o.activation),
      norm_first_(o.norm_first) {}

std::string TransformerEncoderLayer::extra_repr() const {
  return detail::concat("norm_first=", norm_first_ ? "true" : "false");
}

Tensor TransformerEncoderLayer::forward(const Tensor& src, const EncoderLayerCall& call) {
  const auto attend = [&](const Tensor& x) {
    return dropout1(self_attn(x, x, x,
                              {.key_padding_mask = call.src_key_padding_mask,
                               .need_weights = false,
                               .attn_mask = call.src_mask,
                               .is_causal = call.is_causal,
                               .cache = call.cache})
                        .attn_output);
  };
  const auto feed_forward = [&](const Tensor& x) { return dropout2(linear2(dropout(activation_(linear1(x))))); };
  if (norm_first_) {
    const Tensor x = src + attend(detail::per_position(norm1, src));
    return x + feed_forward(detail::per_position(norm2, x));
  }
  const Tensor x = detail::per_position(norm1, src + attend(src));
  return detail::per_position(norm2, x + feed_forward(x));
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& encoder_layer, std::int64_t num_layers,
                                       AnyModule final_norm)
    : layers(detail::stack_of("TransformerEncoder", encoder_layer, num_layers)), norm(std::move(final_norm)) {}

Tensor TransformerEncoder::forward(const Tensor& src, const EncoderLayerCall& call) {
  require<ValueError>(call.cache == nullptr,
                      "TransformerEncoder: expected no cache, because each layer needs its own; pass a vector of them");
  Tensor x = src;
  for (TransformerEncoderLayer& layer : layers) {
    x = layer(x, call);
  }
  return norm ? detail::per_position(norm, x) : x;
}

Tensor TransformerEncoder::forward(const Tensor& src, std::vector<KeyValueCache>& caches) {
  require<ValueError>(caches.empty() || caches.size() == layers.size(), "TransformerEncoder: expected ", layers.size(),
                      " caches, one per layer, or none but got ", caches.size());
  caches.resize(layers.size());
  Tensor x = src;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    x = layers[i](x, {.is_causal = true, .cache = &caches[i]});
  }
  return norm ? detail::per_position(norm, x) : x;
}

}  // namespace normgrad
