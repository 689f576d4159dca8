#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/kernels/gemm/linear.hpp"
#include "normgrad/core/ops/detail/activation_kind.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/matrix_product.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

using detail::ActivationKind;

namespace {

// The remedy for an input whose last axis does not have the size `in`.
std::string advice_for(const Tensor& x, std::int64_t in) {
  if (x.dim() > 2 && x.size(0) > 0 && x.numel() / x.size(0) == in) {
    return "; flatten it first: x.flatten(1)";
  }
  return x.dim() == 0
             ? ""
             : detail::concat("; the preceding layer gives ", x.size(-1), " features: set in_features to that");
}

// Checks the operands. x is treated as [rows, in], the result as [rows, out].
struct LinearShape {
  std::int64_t rows = 1;
  std::int64_t in = 0;
  std::int64_t out = 0;
  Shape result;

  LinearShape(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    const auto check_dtype = [&](const Tensor& other) {
      require<DTypeError>(x.dtype() == other.dtype(), "linear: expected operands of the same dtype but got ", x.dtype(),
                          " and ", other.dtype(), "; convert one of them with to()");
    };
    check_dtype(weight);
    require<ShapeError>(weight.dim() == 2, "linear: expected a weight [out, in] but got ", weight.shape());
    out = weight.size(0);
    in = weight.size(1);
    require<ShapeError>(x.dim() >= 1 && x.size(-1) == in, "linear: expected an input [*, ", in, "] but got ", x.shape(),
                        x.dim() >= 1 && x.size(-1) == in ? "" : advice_for(x, in));
    if (bias.defined()) {
      check_dtype(bias);
      require<ShapeError>(bias.shape() == Shape{out}, "linear: expected a bias [", out, "] but got ", bias.shape());
    }
    result = x.shape();
    result[result.rank() - 1] = out;
    rows = std::accumulate(x.shape().begin(), x.shape().end() - 1, std::int64_t{1}, std::multiplies<>());
  }
};

// The saved state of y = h w^T + b, where h is x or f(x).
struct LinearBackward {
  Saved h;       // empty if not needed
  Saved weight;  // empty if x needs no gradient
  Shape x_shape;
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  std::optional<ActivationKind> f;

  // All gradients in one pass, outside any graph.
  void compute(const Tensor& gy, GradSink& into) const {
    const DType dtype = gy.dtype();
    Tensor gx = into.wants(0) ? Tensor::empty(x_shape, dtype) : Tensor();
    Tensor gweight = into.wants(1) ? Tensor::empty({out, in}, dtype) : Tensor();
    Tensor gbias = into.wants(2) ? Tensor::empty({out}, dtype) : Tensor();
    const bool uses_h = gweight.defined() || (gx.defined() && f);
    dispatch_float("backward", dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto elements = [](Tensor& g) { return g.defined() ? g.mutable_data<T>() : nullptr; };
      kernels::linear_backward<T>({rows, in, out, gy.data<T>(), uses_h ? h.get().data<T>() : nullptr,
                                   gx.defined() ? weight.get().data<T>() : nullptr, elements(gx), elements(gweight),
                                   elements(gbias), f ? std::optional(f->grad) : std::nullopt});
    });
    const auto hand_over = [&](std::size_t i, Tensor& g) {
      if (g.defined()) {
        into.add(i, std::move(g));
      }
    };
    hand_over(0, gx);
    hand_over(1, gweight);
    hand_over(2, gbias);
  }

  // h as a function of x. Only the graph position of x is still available.
  Tensor differentiable_h() const {
    if (!f || !h.get().defined()) {
      return h.get();
    }
    Tensor x = h.get().detach();
    x.set_node(detail::current_node()->inputs[0]);
    return detail::activated(*f, h.get().detach(), x);
  }

  // The same gradients as recorded operations.
  void record(const Tensor& gy, GradSink& into) const {
    const Tensor g = reshape_to(gy, {rows, out});
    const Tensor h_here = differentiable_h();
    if (into.wants(0)) {
      const Tensor gh = reshape_to(detail::matrix_product(g, false, weight.get(), false), x_shape);
      into.add(0, f ? mul(gh, detail::slope_from_result(*f, h_here)) : gh);
    }
    if (into.wants(1)) {
      into.add(1, detail::matrix_product(g, true, reshape_to(h_here, {rows, in}), false));
    }
    if (into.wants(2)) {
      into.add(2, sum(g, 0));
    }
  }
};

Tensor record_linear(Tensor y, const Tensor& x, const Tensor& weight, const Tensor& bias, LinearBackward backward) {
  return record("linear", std::move(y), {x, weight, bias},
                [backward = std::move(backward)](const Tensor& gy, GradSink& into) {
                  is_grad_enabled() ? backward.record(gy, into) : backward.compute(gy, into);
                });
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const LinearShape s(x, weight, bias);
  Tensor y = Tensor::empty(s.result, x.dtype());
  dispatch_float("linear", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto shape = kernels::GemmShape::dense(false, true, s.rows, s.out, s.in);
    if (bias.defined()) {
      kernels::gemm_plus_row(shape, x.data<T>(), weight.data<T>(), bias.data<T>(), y.mutable_data<T>());
    } else {
      kernels::gemm(shape, T(1), x.data<T>(), weight.data<T>(), T(0), y.mutable_data<T>());
    }
  });
  return record_linear(std::move(y), x, weight, bias,
                       {Saved(x, weight.requires_grad()), Saved(weight, x.requires_grad()), x.shape(), s.rows, s.in,
                        s.out, std::nullopt});
}

Tensor detail::activated_linear(const ActivationKind& f, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const LinearShape s(x, weight, bias);
  Tensor y = Tensor::empty(s.result, x.dtype());
  Tensor h = Tensor::empty(x.shape(), x.dtype());
  dispatch_float("linear", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::activated_linear<T>({f.op, s.rows, s.in, s.out, x.data<T>(), weight.data<T>(),
                                  bias.defined() ? bias.data<T>() : nullptr, h.mutable_data<T>(), y.mutable_data<T>()});
  });
  return record_linear(std::move(y), x, weight, bias,
                       {Saved(h, weight.requires_grad() || x.requires_grad()), Saved(weight, x.requires_grad()),
                        x.shape(), s.rows, s.in, s.out, f});
}

}  // namespace normgrad
