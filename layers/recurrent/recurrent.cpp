#include "normgrad/layers/recurrent/recurrent.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/recurrent/detail/sequence.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/init/init.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(LSTM)
NORMGRAD_DEFINE_MEMBERS(GRU)
NORMGRAD_DEFINE_MEMBERS(RNN)

namespace {

std::int64_t gates_of(RecurrentKind kind) {
  return kind == RecurrentKind::lstm ? 4 : kind == RecurrentKind::gru ? 3 : 1;
}

void check_recurrent(const char* type, RecurrentKind kind, std::int64_t input_size, std::int64_t hidden_size,
                     const RecurrentOptions& o) {
  require<ValueError>(input_size > 0, type, ": expected input_size > 0 but got ", input_size);
  require<ValueError>(hidden_size > 0, type, ": expected hidden_size > 0 but got ", hidden_size);
  require<ValueError>(o.num_layers > 0, type, ": expected num_layers > 0 but got ", o.num_layers);
  require<ValueError>(o.dropout >= 0.0 && o.dropout <= 1.0, type, ": expected dropout in [0, 1] but got ", o.dropout);
  require<ValueError>(o.proj_size == 0 || kind == RecurrentKind::lstm, type,
                      ": expected proj_size = 0, because only LSTM supports it, but got ", o.proj_size);
  require<ValueError>(o.proj_size >= 0 && o.proj_size < hidden_size, type, ": expected proj_size in [0, ", hidden_size,
                      ") but got ", o.proj_size);
}

}  // namespace

RecurrentLayer::RecurrentLayer(const char* type, RecurrentKind kind, std::int64_t input_size, std::int64_t hidden_size,
                               const RecurrentOptions& options)
    : type_(type), kind_(kind), input_size_(input_size), hidden_size_(hidden_size), options_(options) {
  check_recurrent(type, kind, input_size, hidden_size, options);
  const std::int64_t gates = gates_of(kind) * hidden_size;
  const auto parameter = [&](const Shape& shape) { return Parameter(Tensor::empty(shape, options.dtype)); };
  for (std::int64_t layer = 0; layer < options.num_layers; ++layer) {
    const std::int64_t features = layer == 0 ? input_size : output_size() * directions();
    for (std::int64_t direction = 0; direction < directions(); ++direction) {
      RecurrentWeights& w = weights.emplace_back();
      w.weight_ih = parameter({gates, features});
      w.weight_hh = parameter({gates, output_size()});
      if (options.bias) {
        w.bias_ih = parameter({gates});
        w.bias_hh = parameter({gates});
      }
      if (options.proj_size > 0) {
        w.weight_hr = parameter({options.proj_size, hidden_size});
      }
    }
  }
  options_.generator = nullptr;
  reset_parameters(options.generator);
}

void RecurrentLayer::reset_parameters(Generator* generator) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(hidden_size_));
  for (RecurrentWeights& w : weights) {
    for (Parameter* p : {&w.weight_ih, &w.weight_hh, &w.bias_ih, &w.bias_hh, &w.weight_hr}) {
      if (p->defined()) {
        uniform_(*p, -bound, bound, generator);
      }
    }
  }
}

void RecurrentLayer::members(MemberVisitor& visit) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto per_layer = static_cast<std::size_t>(directions());
    const std::string suffix = "_l" + std::to_string(i / per_layer) + (i % per_layer == 1 ? "_reverse" : "");
    RecurrentWeights& w = weights[i];
    visit("weight_ih" + suffix, w.weight_ih);
    visit("weight_hh" + suffix, w.weight_hh);
    visit("bias_ih" + suffix, w.bias_ih);
    visit("bias_hh" + suffix, w.bias_hh);
    visit("weight_hr" + suffix, w.weight_hr);
  }
}

std::string RecurrentLayer::extra_repr() const {
  std::string text = detail::concat(input_size_, ", ", hidden_size_);
  const auto append = [&](bool differs, const auto&... parts) {
    text += differs ? detail::concat(", ", parts...) : "";
  };
  append(kind_ == RecurrentKind::relu, "nonlinearity=relu");
  append(options_.num_layers != 1, "num_layers=", options_.num_layers);
  append(!options_.bias, "bias=false");
  append(options_.batch_first, "batch_first=true");
  append(options_.dropout != 0.0, "dropout=", options_.dropout);
  append(options_.bidirectional, "bidirectional=true");
  append(options_.proj_size != 0, "proj_size=", options_.proj_size);
  return text;
}

// The given state of all layers as [num_layers * D, batch, features]; zeros of the dtype of x if undefined.
Tensor RecurrentLayer::state_of(const char* name, const Tensor& given, const Tensor& x, std::int64_t batch,
                                std::int64_t features) const {
  const Shape wanted{options_.num_layers * directions(), batch, features};
  if (!given.defined()) {
    return zeros(wanted, {.dtype = x.dtype()});
  }
  require<ShapeError>(given.shape() == wanted, type_, ": expected an initial ", name, " ", wanted, " but got ",
                      given.shape());
  require<DTypeError>(given.dtype() == x.dtype(), type_, ": expected an initial ", name, " of dtype ", x.dtype(),
                      " but got ", given.dtype());
  return given;
}

LSTMResult RecurrentLayer::run(const Tensor& x_given, const LSTMState& state) {
  const bool batched = x_given.dim() == 3;
  require<ShapeError>((batched || x_given.dim() == 2) && x_given.size(-1) == input_size_, type_, ": expected an input ",
                      options_.batch_first ? "[N, L, " : "[L, N, ", input_size_, "] or [L, ", input_size_, "] but got ",
                      x_given.shape());
  const auto with_batch = [&](const Tensor& s) {
    return batched || !s.defined() || s.dim() != 2 ? s : unsqueeze(s, 1);
  };
  const bool turns = batched && options_.batch_first;
  Tensor x = !batched ? unsqueeze(x_given, 1) : turns ? Tensor(transpose(x_given, 0, 1)) : x_given;
  require<ShapeError>(x.size(0) > 0, type_, ": expected a sequence of at least one step but got ", x_given.shape());
  const bool is_lstm = kind_ == RecurrentKind::lstm;
  const Tensor h0 = state_of("h", with_batch(state.h), x, x.size(1), output_size());
  const Tensor c0 = is_lstm ? state_of("c", with_batch(state.c), x, x.size(1), hidden_size_) : Tensor();
  std::vector<Tensor> h_n;
  std::vector<Tensor> c_n;
  for (std::size_t i = 0; i < weights.size();) {
    const bool first = i == 0;
    x = first ? x : dropout(x, options_.dropout, is_training());
    std::vector<Tensor> outputs;
    for (std::int64_t direction = 0; direction < directions(); ++direction, ++i) {
      const RecurrentWeights& w = weights[i];
      const auto at = static_cast<std::int64_t>(i);
      const detail::SequenceResult r = detail::recurrent_sequence(
          kind_, direction == 1,
          {linear(x, w.weight_ih, w.bias_ih), select(h0, 0, at), is_lstm ? Tensor(select(c0, 0, at)) : Tensor(),
           w.weight_hh, w.bias_hh, w.weight_hr});
      outputs.push_back(r.output);
      h_n.push_back(r.h_n);
      c_n.push_back(r.c_n);
    }
    x = outputs.size() == 1 ? outputs[0] : cat(outputs, -1);
  }
  const auto joined_states = [&](const std::vector<Tensor>& list) {
    const Tensor all = stack(list, 0);
    return batched ? all : squeeze(all, 1);
  };
  return {!batched ? squeeze(x, 1)
          : turns  ? Tensor(transpose(x, 0, 1))
                   : x,
          joined_states(h_n), is_lstm ? joined_states(c_n) : Tensor()};
}

}  // namespace normgrad
