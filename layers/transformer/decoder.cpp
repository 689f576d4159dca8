#include "normgrad/layers/transformer/decoder.hpp"

#include <utility>

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(TransformerDecoderLayer, self_attn, multihead_attn, linear1, dropout, linear2, norm1, norm2,
                        norm3, dropout1, dropout2, dropout3, norm1_out, norm2_out, norm3_out)
NORMGRAD_DEFINE_MEMBERS(TransformerDecoder, layers, norm)

namespace {

constexpr const char* kDecoderLayer = "TransformerDecoderLayer";

}  // namespace

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerLayerOptions& options)
    : TransformerDecoderLayer(d_model, nhead, options, detail::Residual(kDecoderLayer, options)) {}

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 const TransformerLayerOptions& o, const detail::Residual& residual)
    : self_attn(d_model, nhead, detail::attention_options(o, o.rotary_base)),
      multihead_attn(d_model, nhead, detail::attention_options(o, {})),
      linear1(d_model, detail::checked_feedforward(kDecoderLayer, d_model, o),
              {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model, {.bias = o.bias, .dtype = o.dtype, .generator = o.generator}),
      norm1(residual.norm(d_model, o)),
      norm2(residual.norm(d_model, o)),
      norm3(residual.norm(d_model, o)),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout),
      norm1_out(residual.norm_out(d_model, o)),
      norm2_out(residual.norm_out(d_model, o)),
      norm3_out(residual.norm_out(d_model, o)),
      activation_(o.activation),
      residual_(residual) {
  residual_.init(self_attn, o.generator);
  residual_.init(multihead_attn, o.generator);
  residual_.init(linear1, linear2, o.generator);
}

std::string TransformerDecoderLayer::extra_repr() const { return residual_.repr(); }

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
  const Tensor x = residual_(tgt, norm1, norm1_out, attend);
  const Tensor y = residual_(x, norm2, norm2_out, attend_to_memory);
  return residual_(y, norm3, norm3_out, feed_forward);
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
