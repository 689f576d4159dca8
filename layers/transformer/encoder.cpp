#include "normgrad/layers/transformer/encoder.hpp"

#include <utility>

#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(TransformerEncoderLayer, self_attn, linear1, dropout, linear2, norm1, norm2, dropout1, dropout2,
                        norm1_out, norm2_out)
NORMGRAD_DEFINE_MEMBERS(TransformerEncoder, layers, norm)

namespace {

constexpr const char* kEncoderLayer = "TransformerEncoderLayer";

}  // namespace

MultiheadAttentionOptions detail::attention_options(const TransformerLayerOptions& o,
                                                    std::optional<double> rotary_base) {
  return {.dropout = o.dropout,
          .bias = o.bias,
          .batch_first = o.batch_first,
          .rotary_base = rotary_base,
          .qk_norm = o.qk_norm,
          .dtype = o.dtype,
          .generator = o.generator};
}

AnyModule detail::transformer_norm(std::int64_t d_model, const TransformerLayerOptions& options) {
  if (options.norm == "layer") {
    return LayerNorm(d_model, {.eps = options.layer_norm_eps, .bias = options.bias, .dtype = options.dtype});
  }
  return make_norm(options.norm, {.num_features = d_model, .spatial_dims = 0, .dtype = options.dtype});
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
                                                 const TransformerLayerOptions& options)
    : TransformerEncoderLayer(d_model, nhead, options, detail::Residual(kEncoderLayer, options)) {}

TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerLayerOptions& o, const detail::Residual& residual)
    : self_attn(d_model, nhead, detail::attention_options(o, o.rotary_base)),
      linear1(d_model, detail::checked_feedforward(kEncoderLayer, d_model, o),
              {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      norm1(residual.norm(d_model, o)),
      norm2(residual.norm(d_model, o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      norm1_out(residual.norm_out(d_model, o)),
      norm2_out(residual.norm_out(d_model, o)),
      activation_(o.activation),
      residual_(residual) {
  residual_.init(self_attn, o.generator);
  residual_.init(linear1, linear2, o.generator);
}

std::string TransformerEncoderLayer::extra_repr() const { return residual_.repr(); }

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
  return residual_(residual_(src, norm1, norm1_out, attend), norm2, norm2_out, feed_forward);
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
