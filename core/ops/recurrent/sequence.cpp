#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/recurrent/recurrent.hpp"
#include "normgrad/core/ops/recurrent/detail/sequence.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::detail {

namespace {

constexpr std::size_t kOperands = 6;

kernels::RecurrentCell cell_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::lstm:
      return kernels::RecurrentCell::lstm;
    case RecurrentKind::gru:
      return kernels::RecurrentCell::gru;
    case RecurrentKind::tanh:
      return kernels::RecurrentCell::tanh;
    case RecurrentKind::relu:
      break;
  }
  return kernels::RecurrentCell::relu;
}

const char* name_of(RecurrentKind kind) {
  return kind == RecurrentKind::lstm ? "lstm" : kind == RecurrentKind::gru ? "gru" : "rnn";
}

std::array<Tensor, kOperands> listed(const SequenceOperands& in) {
  return {in.gates_x, in.h0, in.c0, in.w_hh, in.b_hh, in.w_hr};
}

SequenceOperands from_list(const std::array<Tensor, kOperands>& list) {
  return {list[0], list[1], list[2], list[3], list[4], list[5]};
}

// The results of a pass, and its sizes. y holds the output [T, N, output] and after it, for an lstm, c_n [N, hidden].
struct Pass {
  RecurrentKind kind = RecurrentKind::lstm;
  kernels::RecurrentGeometry g{};
  Tensor kept;
  Tensor c;
  Tensor raw;

  std::int64_t output_size() const { return g.steps * g.batch * g.output; }
  std::int64_t cell_size() const { return kind == RecurrentKind::lstm ? g.batch * g.hidden : 0; }

  template <class T>
  kernels::RecurrentOperands<T> read(const SequenceOperands& in) const {
    const auto elements = [](const Tensor& x) { return x.defined() ? x.data<T>() : nullptr; };
    return {elements(in.gates_x), elements(in.h0),   elements(in.c0),
            elements(in.w_hh),    elements(in.b_hh), elements(in.w_hr)};
  }
};

// A result whose gradient is that of x, but which is not x: the end of the formula's graph.
Tensor apart(const Tensor& x) {
  return !x.defined()
             ? x
             : record("apart", x.alias(x.shape()), {x}, [](const Tensor& gy, GradSink& into) { into.add(0, gy); });
}

void backward_in_kernel(const Pass& pass, const SequenceOperands& in, const Tensor& y, const Tensor& gy,
                        GradSink& into) {
  const std::array<Tensor, kOperands> operands = listed(in);
  std::array<Tensor, kOperands> gradients;
  for (std::size_t i = 0; i < kOperands; ++i) {
    if (i == 0 || into.wants(i)) {
      gradients[i] = Tensor::empty(operands[i].shape(), gy.dtype());
    }
  }
  dispatch_float(name_of(pass.kind), gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    // The kernel only reads these.
    const auto elements = [](const Tensor& x) { return x.defined() ? const_cast<T*>(x.data<T>()) : nullptr; };
    const auto to = [&](std::size_t i) { return gradients[i].defined() ? gradients[i].mutable_data<T>() : nullptr; };
    const T* g = gy.data<T>();
    kernels::recurrent_backward<T>(
        pass.g, pass.read<T>(in), {elements(y), elements(pass.kept), elements(pass.c), elements(pass.raw)},
        {g, pass.cell_size() > 0 ? g + pass.output_size() : nullptr, to(0), to(1), to(2), to(3), to(4), to(5)});
  });
  for (std::size_t i = 0; i < kOperands; ++i) {
    if (into.wants(i)) {
      into.add(i, gradients[i]);
    }
  }
}

// Differentiates the formula, in operations that can be differentiated again.
void backward_of_formula(const Pass& pass, const SequenceOperands& in, const Tensor& gy, GradSink& into) {
  std::array<Tensor, kOperands> own = listed(in);
  std::vector<std::size_t> wanted;
  std::vector<Tensor> leaves;
  for (std::size_t i = 0; i < kOperands; ++i) {
    own[i] = apart(own[i]);
    if (into.wants(i)) {
      wanted.push_back(i);
      leaves.push_back(own[i]);
    }
  }
  const SequenceResult r = sequence_formula(pass.kind, pass.g.reverse, from_list(own));
  std::vector<Tensor> results{r.output};
  std::vector<Tensor> grads{reshape_to(narrow(gy, 0, 0, pass.output_size()), r.output.shape())};
  if (pass.cell_size() > 0) {
    results.push_back(r.c_n);
    grads.push_back(reshape_to(narrow(gy, 0, pass.output_size(), pass.cell_size()), r.c_n.shape()));
  }
  const std::vector<Tensor> gradients = grad(results, leaves, grads, {.create_graph = true});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    into.add(wanted[i], gradients[i]);
  }
}

}  // namespace

SequenceResult recurrent_sequence(RecurrentKind kind, bool reverse, const SequenceOperands& in) {
  const DType dtype = in.gates_x.dtype();
  const bool is_lstm = kind == RecurrentKind::lstm;
  Pass pass;
  pass.kind = kind;
  pass.g = {cell_of(kind),      in.gates_x.size(0),
            in.gates_x.size(1), is_lstm ? in.c0.size(1) : in.h0.size(1),
            in.h0.size(1),      reverse};
  const kernels::RecurrentGeometry& g = pass.g;
  if (g.kept() > 0) {
    pass.kept = Tensor::empty({g.steps, g.batch, g.kept()}, dtype);
  }
  if (is_lstm) {
    pass.c = Tensor::empty({g.steps, g.batch, g.hidden}, dtype);
  }
  if (in.w_hr.defined()) {
    pass.raw = Tensor::empty({g.steps, g.batch, g.hidden}, dtype);
  }
  Tensor y = Tensor::empty({pass.output_size() + pass.cell_size()}, dtype);
  dispatch_float(name_of(kind), dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto elements = [](Tensor& x) { return x.defined() ? x.mutable_data<T>() : nullptr; };
    T* to = y.mutable_data<T>();
    T* cells = elements(pass.c);
    kernels::recurrent_forward<T>(g, pass.read<T>(in), {to, elements(pass.kept), cells, elements(pass.raw)});
    if (is_lstm) {
      std::copy_n(cells + g.step(g.steps - 1) * g.batch * g.hidden, g.batch * g.hidden, to + pass.output_size());
    }
  });
  std::array<Saved, kOperands> saved;
  const std::array<Tensor, kOperands> operands = listed(in);
  for (std::size_t i = 0; i < kOperands; ++i) {
    saved[i] = Saved(operands[i]);
  }
  const Shape output_shape{g.steps, g.batch, g.output};
  const std::int64_t output_size = pass.output_size(), cell_size = pass.cell_size(), last = g.step(g.steps - 1);
  const Shape cell_shape{g.batch, g.hidden};
  note_arguments("kind", static_cast<int>(kind), "reverse", pass.g.reverse, "hidden", pass.g.hidden);
  const Tensor both = record(name_of(kind), y, {in.gates_x, in.h0, in.c0, in.w_hh, in.b_hh, in.w_hr},
                             [pass = std::move(pass), saved, out = SavedOutput(y)](const Tensor& gy, GradSink& into) {
                               std::array<Tensor, kOperands> list;
                               for (std::size_t i = 0; i < kOperands; ++i) {
                                 list[i] = saved[i].get();
                               }
                               if (is_grad_enabled()) {
                                 backward_of_formula(pass, from_list(list), gy, into);
                               } else {
                                 backward_in_kernel(pass, from_list(list), out.get(), gy, into);
                               }
                             });
  SequenceResult r;
  r.output = reshape_to(is_lstm ? Tensor(narrow(both, 0, 0, output_size)) : both, output_shape);
  r.h_n = select(r.output, 0, last);
  if (is_lstm) {
    r.c_n = reshape_to(narrow(both, 0, output_size, cell_size), cell_shape);
  }
  return r;
}

}  // namespace normgrad::detail
