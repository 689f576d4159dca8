#include "normgrad/layers/transformer/decoder.hpp"

#include <utility>

#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(TransformerDecoderLayer, self_attn, multihead_attn, linear1, dropout, linear2, norm1, norm2,
                        norm3, dropout1, dropout2, dropout3)
NORMGRAD_DEFINE_MEMBERS(TransformerDecoder, layers, norm)

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerLayerOptions& o)
    : self_attn(d_model, nhead, detail::attention_options(o, o.rotary_base)),
      multihead_attn(d_model, nhead, detail::attention_options(o, {})),
      linear1(d_model, detail::checked_feedforward("TransformerDecoderLayer", d_model, o),
              {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      norm1(detail::transformer_norm(d_model, o)),
      norm2(detail::transformer_norm(d_model, o)),
      norm3(detail::transformer_norm(d_model, o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout),
      activation_(o.activation),
      norm_first_(o.norm_first) {}

std::string TransformerDecoderLayer::extra_repr() const {
  return detail::concat("norm_first=", norm_first_ ? "true" : "false");
}

Tensor TransformerDecoderLayer::forward(const Tensor& tgt, const Tensor& memory, const DecoderCall& call) {
  const auto attend = [&](const Tensor& x) {
    return dropout1(self_attn(x, x, x,
                              {.key_padding_mask = call.tgt_key_padding_mask,
                               .need_weights = false,
                               .attn_mask = call.tgt_mask,
                               .is_causal = call.tgt_is_causal})
                        .attn_output);
  };
  const auto attend_to_memory = [&](const Tensor& x) {
    return dropout2(multihead_attn(x, memory, memory,
                                   {.key_padding_mask = call.memory_key_padding_mask,
                                    .need_weights = false,
                                    .attn_mask = call.memory_mask,
                                    .is_causal = call.memory_is_causal})
                        .attn_output);
  };
  const auto feed_forward = [&](const Tensor& x) { return dropout3(linear2(dropout(activation_(linear1(x))))); };
  if (norm_first_) {
    const Tensor x = tgt + attend(detail::per_position(norm1, tgt));
    const Tensor y = x + attend_to_memory(detail::per_position(norm2, x));
    return y + feed_forward(detail::per_position(norm3, y));
  }
  const Tensor x = detail::per_position(norm1, tgt + attend(tgt));
  const Tensor y = detail::per_position(norm2, x + attend_to_memory(x));
  return detail::per_position(norm3, y + feed_forward(y));
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& decoder_layer, std::int64_t num_layers,
                                       AnyModule final_norm)
    : layers(detail::stack_of("TransformerDecoder", decoder_layer, num_layers)), norm(std::move(final_norm)) {}

Tensor TransformerDecoder::forward(const Tensor& tgt, const Tensor& memory, const DecoderCall& call) {
  Tensor x = tgt;
  for (TransformerDecoderLayer& layer : layers) {
    x = layer(x, memory, call);
  }
  return norm ? detail::per_position(norm, x) : x;
}

}  // namespace normgrad
