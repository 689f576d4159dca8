// Layers of sequences: the gradients of the arguments and of all parameters are checked.
#include <memory>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/attention/positions.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/layers/transformer/decoder.hpp"
#include "normgrad/layers/transformer/encoder.hpp"
#include "normgrad/layers/transformer/positions.hpp"

namespace normgrad::tests {

namespace {

// f(layer, arguments) with random parameters.
template <class Layer, class F>
void add_sequence_layer(CaseList& list, const std::string& name, const std::shared_ptr<Layer>& layer, Inputs inputs,
                        F f) {
  for (const Tensor& parameter : layer->parameters()) {
    const Tensor values = list.normal(parameter.shape(), 0.2, 0.5);
    const NoGradGuard no_grad;
    Tensor(parameter).copy_(values);
    inputs.push_back(parameter);
  }
  list.add(
      name, [layer, f](const Inputs& in) { return f(*layer, in); }, inputs);
}

void add_transformers(CaseList& list) {
  const auto call = [](auto& layer, const Inputs& in) { return layer(in[0]); };
  const MultiheadAttentionOptions attention{.batch_first = true, .dtype = kFloat64};
  add_sequence_layer(list, "MultiheadAttention", std::make_shared<MultiheadAttention>(4, 2, attention),
                     {list.normal({2, 3, 4})}, call);
  MultiheadAttentionOptions with_sizes = attention;
  with_sizes.kdim = 3;
  with_sizes.vdim = 2;
  add_sequence_layer(list, "MultiheadAttention kdim vdim", std::make_shared<MultiheadAttention>(4, 2, with_sizes),
                     {list.normal({1, 3, 4}), list.normal({1, 2, 3}), list.normal({1, 2, 2})},
                     [](MultiheadAttention& layer, const Inputs& in) {
                       const AttentionResult r = layer(in[0], in[1], in[2]);
                       return r.attn_output.sum(-1) * r.attn_output_weights.square().sum(-1);
                     });
  for (const bool norm_first : {false, true}) {
    const TransformerLayerOptions options{.dim_feedforward = 3,
                                          .dropout = 0.0,
                                          .activation = gelu,
                                          .batch_first = true,
                                          .norm_first = norm_first,
                                          .norm = norm_first ? "rms" : "layer",
                                          .dtype = kFloat64};
    const std::string suffix = norm_first ? " norm_first, rms" : "";
    add_sequence_layer(
        list, "TransformerEncoderLayer" + suffix, std::make_shared<TransformerEncoderLayer>(4, 2, options),
        {list.normal({1, 3, 4})},
        [](TransformerEncoderLayer& layer, const Inputs& in) { return layer(in[0], {.is_causal = true}); });
    add_sequence_layer(list, "TransformerDecoderLayer" + suffix,
                       std::make_shared<TransformerDecoderLayer>(2, 1, options),
                       {list.normal({1, 3, 2}), list.normal({1, 2, 2})},
                       [](TransformerDecoderLayer& layer, const Inputs& in) { return layer(in[0], in[1]); });
  }
  add_sequence_layer(list, "LearnedPositions",
                     std::make_shared<LearnedPositions>(4, 3, PositionOptions{.dtype = kFloat64}),
                     {list.normal({2, 2, 3})}, call);
  for (const bool interleaved : {false, true}) {
    list.add(
        interleaved ? "rotary_embedding interleaved" : "rotary_embedding",
        [interleaved](const Inputs& in) { return rotary_embedding(in[0], {.offset = 2, .interleaved = interleaved}); },
        {list.normal({2, 3, 4})});
  }
}

}  // namespace

void add_sequence_layers(CaseList& list) {
  list.start_family("layers of sequences");
  add_transformers(list);
}

}  // namespace normgrad::tests
