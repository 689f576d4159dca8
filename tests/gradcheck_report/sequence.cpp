// Layers of sequences: the gradients of the arguments and of all parameters are checked.
#include <memory>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/attention/positions.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/recurrent/cells.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"
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
                       std::make_shared<TransformerDecoderLayer>(4, 2, options),
                       {list.normal({1, 2, 4}), list.normal({1, 3, 4})},
                       [](TransformerDecoderLayer& layer, const Inputs& in) { return layer(in[0], in[1]); });
  }
  const TransformerLayerOptions small{.dim_feedforward = 2, .dropout = 0.0, .batch_first = true, .dtype = kFloat64};
  add_sequence_layer(list, "TransformerEncoder",
                     std::make_shared<TransformerEncoder>(TransformerEncoderLayer(4, 2, small), 2),
                     {list.normal({1, 3, 4})}, call);
  add_sequence_layer(list, "TransformerDecoder",
                     std::make_shared<TransformerDecoder>(TransformerDecoderLayer(4, 2, small), 2),
                     {list.normal({1, 2, 4}), list.normal({1, 3, 4})},
                     [](TransformerDecoder& layer, const Inputs& in) { return layer(in[0], in[1]); });
  add_sequence_layer(list, "SinusoidalPositions", std::make_shared<SinusoidalPositions>(), {list.normal({2, 1, 4})},
                     [](SinusoidalPositions& layer, const Inputs& in) { return layer(in[0]).square(); });
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

void add_recurrent(CaseList& list) {
  const auto both = [](const Tensor& a, const Tensor& b) { return cat({flatten(a), flatten(b)}); };
  for (const bool two_ways : {false, true}) {
    const RecurrentOptions options{.bidirectional = two_ways, .dtype = kFloat64};
    const std::string suffix = two_ways ? " bidirectional" : "";
    add_sequence_layer(list, "LSTM" + suffix, std::make_shared<LSTM>(2, 2, options), {list.normal({3, 2, 2})},
                       [both](LSTM& layer, const Inputs& in) {
                         const LSTMResult r = layer(in[0]);
                         return both(r.output, r.c_n);
                       });
    add_sequence_layer(list, "GRU" + suffix, std::make_shared<GRU>(2, 2, options), {list.normal({3, 2, 2})},
                       [](GRU& layer, const Inputs& in) { return layer(in[0]).output; });
    add_sequence_layer(list, "RNN" + suffix, std::make_shared<RNN>(2, 3, options), {list.normal({3, 2, 2})},
                       [](RNN& layer, const Inputs& in) { return layer(in[0]).output; });
  }
  const std::int64_t layers = 2;
  const RecurrentOptions projected{.num_layers = layers, .bias = false, .proj_size = 1, .dtype = kFloat64};
  add_sequence_layer(list, "LSTM num_layers=2 proj_size=1", std::make_shared<LSTM>(2, 2, projected),
                     {list.normal({2, 1, 2}), list.normal({layers, 1, 1}), list.normal({layers, 1, 2})},
                     [both](LSTM& layer, const Inputs& in) {
                       const LSTMResult r = layer(in[0], {in[1], in[2]});
                       return both(r.output, r.c_n);
                     });
  const RecurrentCellOptions cell{.dtype = kFloat64};
  add_sequence_layer(list, "LSTMCell", std::make_shared<LSTMCell>(3, 2, cell),
                     {list.normal({2, 3}), list.normal({2, 2}), list.normal({2, 2})},
                     [both](LSTMCell& layer, const Inputs& in) {
                       const LSTMState s = layer(in[0], {in[1], in[2]});
                       return both(s.h, s.c);
                     });
  const RecurrentCellOptions normed{.norm = "layer", .dtype = kFloat64};
  add_sequence_layer(list, "LSTMCell norm=layer", std::make_shared<LSTMCell>(2, 3, normed),
                     {list.normal({2, 2}), list.normal({2, 3}), list.normal({2, 3})},
                     [both](LSTMCell& layer, const Inputs& in) {
                       const LSTMState s = layer(in[0], {in[1], in[2]});
                       return both(s.h, s.c);
                     });
  add_sequence_layer(list, "GRUCell", std::make_shared<GRUCell>(3, 2, cell), {list.normal({2, 3}), list.normal({2, 2})},
                     [](GRUCell& layer, const Inputs& in) { return layer(in[0], in[1]); });
  add_sequence_layer(list, "RNNCell", std::make_shared<RNNCell>(3, 2, cell), {list.normal({2, 3}), list.normal({2, 2})},
                     [](RNNCell& layer, const Inputs& in) { return layer(in[0], in[1]); });
}

void add_placements(CaseList& list) {
  const auto causal = [](TransformerEncoderLayer& layer, const Inputs& in) {
    return layer(in[0], {.is_causal = true});
  };
  for (const char* placement : {"sandwich", "deepnorm", "none"}) {
    const TransformerLayerOptions options{.dim_feedforward = 3,
                                          .dropout = 0.0,
                                          .activation = gelu,
                                          .batch_first = true,
                                          .placement = placement,
                                          .deepnorm = deepnorm_scale(4),
                                          .dtype = kFloat64};
    const std::string suffix = std::string(" placement=") + placement;
    add_sequence_layer(list, "TransformerEncoderLayer" + suffix,
                       std::make_shared<TransformerEncoderLayer>(4, 2, options), {list.normal({1, 3, 4})}, causal);
    add_sequence_layer(list, "TransformerDecoderLayer" + suffix,
                       std::make_shared<TransformerDecoderLayer>(4, 2, options),
                       {list.normal({1, 2, 4}), list.normal({1, 3, 4})},
                       [](TransformerDecoderLayer& layer, const Inputs& in) { return layer(in[0], in[1]); });
  }
  for (const char* norm : {"layer", "rms"}) {
    const MultiheadAttentionOptions options{
        .batch_first = true, .rotary_base = 10.0, .qk_norm = norm, .dtype = kFloat64};
    add_sequence_layer(list, std::string("MultiheadAttention qk_norm=") + norm,
                       std::make_shared<MultiheadAttention>(8, 2, options), {list.normal({1, 3, 8})},
                       [](MultiheadAttention& layer, const Inputs& in) { return layer(in[0]); });
  }
}

void add_packed(CaseList& list) {
  const std::vector<std::int64_t> lengths{1, 3, 2};
  const auto lstm = std::make_shared<LSTM>(2, 3, RecurrentOptions{.bidirectional = true, .dtype = kFloat64});
  add_sequence_layer(list, "LSTM packed", lstm, {list.normal({3, 3, 2})}, [=](LSTM& layer, const Inputs& in) {
    const PackedLSTMResult r = layer(pack_padded_sequence(in[0], lengths, false, false));
    return cat({pad_packed_sequence(r.output).output.flatten(), r.h_n.flatten(), r.c_n.flatten()});
  });
  const auto gru = std::make_shared<GRU>(2, 3, RecurrentOptions{.bidirectional = true, .dtype = kFloat64});
  add_sequence_layer(list, "GRU packed", gru, {list.normal({3, 3, 2}), list.normal({2, 3, 3})},
                     [=](GRU& layer, const Inputs& in) {
                       const PackedRecurrentResult r = layer(pack_padded_sequence(in[0], lengths, true, false), in[1]);
                       return cat({r.output.data.flatten(), r.h_n.flatten()});
                     });
}

}  // namespace

void add_sequence_layers(CaseList& list) {
  list.start_family("layers of sequences");
  add_transformers(list);
  add_recurrent(list);
  add_placements(list);
  add_packed(list);
}

}  // namespace normgrad::tests
