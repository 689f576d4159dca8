#include "normgrad/layers/recurrent/cells.hpp"

#include <cmath>
#include <functional>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/recurrent/detail/sequence.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/init/init.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(RecurrentCell, weight_ih, weight_hh, bias_ih, bias_hh, norm_ih, norm_hh, norm_c)
NORMGRAD_DEFINE_MEMBERS(LSTMCell)
NORMGRAD_DEFINE_MEMBERS(GRUCell)
NORMGRAD_DEFINE_MEMBERS(RNNCell)

RecurrentCell::RecurrentCell(const char* type, RecurrentKind kind, std::int64_t input_size, std::int64_t hidden_size,
                             const RecurrentCellOptions& options)
    : type_(type), kind_(kind), input_size_(input_size), hidden_size_(hidden_size) {
  require<ValueError>(input_size > 0, type, ": expected input_size > 0 but got ", input_size);
  require<ValueError>(hidden_size > 0, type, ": expected hidden_size > 0 but got ", hidden_size);
  const std::int64_t gates = hidden_size * (kind == RecurrentKind::lstm ? 4 : kind == RecurrentKind::gru ? 3 : 1);
  weight_ih = Parameter(Tensor::empty({gates, input_size}, options.dtype));
  weight_hh = Parameter(Tensor::empty({gates, hidden_size}, options.dtype));
  if (options.bias) {
    bias_ih = Parameter(Tensor::empty({gates}, options.dtype));
    bias_hh = Parameter(Tensor::empty({gates}, options.dtype));
  }
  if (!options.norm.empty()) {
    norm_ih = make_norm(options.norm, {.num_features = gates, .dtype = options.dtype});
    norm_hh = make_norm(options.norm, {.num_features = gates, .dtype = options.dtype});
    if (kind == RecurrentKind::lstm) {
      norm_c = make_norm(options.norm, {.num_features = hidden_size, .dtype = options.dtype});
    }
  }
  reset_parameters(options.generator);
}

void RecurrentCell::reset_parameters(Generator* generator) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(hidden_size_));
  for (Parameter* p : {&weight_ih, &weight_hh, &bias_ih, &bias_hh}) {
    if (p->defined()) {
      uniform_(*p, -bound, bound, generator);
    }
  }
}

std::string RecurrentCell::extra_repr() const {
  return detail::concat(input_size_, ", ", hidden_size_, bias_ih.defined() ? "" : ", bias=false",
                        kind_ == RecurrentKind::relu ? ", nonlinearity=relu" : "");
}

LSTMState RecurrentCell::run(const Tensor& x, const LSTMState& state) const {
  const bool batched = x.dim() == 2;
  require<ShapeError>((batched || x.dim() == 1) && x.size(-1) == input_size_, type_, ": expected an input [N, ",
                      input_size_, "] or [", input_size_, "] but got ", x.shape());
  const std::int64_t n = batched ? x.size(0) : 1;
  const auto checked = [&](const char* name, const Tensor& s) {
    if (!s.defined()) {
      return zeros({n, hidden_size_}, {.dtype = x.dtype()});
    }
    const Shape wanted = batched ? Shape{n, hidden_size_} : Shape{hidden_size_};
    require<ShapeError>(s.shape() == wanted, type_, ": expected a state ", name, " ", wanted, " but got ", s.shape());
    require<DTypeError>(s.dtype() == x.dtype(), type_, ": expected a state ", name, " of dtype ", x.dtype(),
                        " but got ", s.dtype());
    return reshape_to(s, {n, hidden_size_});
  };
  const Tensor h = checked("h", state.h);
  const Tensor c = kind_ == RecurrentKind::lstm ? checked("c", state.c) : Tensor();
  const auto given_back = [&](const Tensor& s) { return batched || !s.defined() ? s : reshape_to(s, {hidden_size_}); };
  if (norm_ih) {
    const auto gates = [](const AnyModule& norm, const Tensor& input, const Tensor& weight, const Tensor& bias) {
      const Tensor normalized = norm(linear(input, weight));
      return bias.defined() ? add(normalized, bias) : normalized;
    };
    const detail::CellState s = detail::cell_formula(
        kind_, gates(norm_ih, reshape_to(x, {n, input_size_}), weight_ih, bias_ih),
        gates(norm_hh, h, weight_hh, bias_hh), {h, c},
        norm_c ? std::function<Tensor(const Tensor&)>([&](const Tensor& cell) { return norm_c(cell); }) : nullptr);
    return {given_back(s.h), given_back(s.c)};
  }
  const Tensor gates_x = linear(reshape_to(x, {1, n, input_size_}), weight_ih, bias_ih);
  const detail::SequenceResult r = detail::recurrent_sequence(kind_, false, {gates_x, h, c, weight_hh, bias_hh, {}});
  return {given_back(r.h_n), given_back(r.c_n)};
}

}  // namespace normgrad
