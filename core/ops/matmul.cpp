#include "normgrad/core/ops/matmul.hpp"

#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/gemm.hpp"
#include "normgrad/core/kernels/linear.hpp"
#include "normgrad/core/ops/arithmetic.hpp"
#include "normgrad/core/ops/reduction.hpp"
#include "normgrad/core/ops/shape.hpp"

namespace normgrad {

namespace {

// Product of all sizes but the last.
std::int64_t rows_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end() - 1, std::int64_t{1}, std::multiplies<>());
}

Shape batch_axes(const Shape& shape) { return Shape(std::span(shape.begin(), shape.rank() - 2)); }

// Where each matrix of a tensor with axes `own` lies when its batch is broadcast to `batch`.
std::vector<std::int64_t> matrix_offsets(const Shape& own, const Shape& batch) {
  const auto strides = strides_of(own);
  std::vector<std::int64_t> offsets{0};
  offsets.reserve(static_cast<std::size_t>(batch.numel()));
  // From the last axis of the batch to the first: each repeats what is there, shifted.
  for (std::size_t back = 1; back <= batch.rank(); ++back) {
    const std::size_t axis = own.rank() - 2 - back;
    const bool present = back + 2 <= own.rank() && own[axis] != 1;
    const std::int64_t step = present ? strides[axis] : 0;
    const std::size_t inner = offsets.size();
    for (std::int64_t i = 1; i < batch[batch.rank() - back]; ++i) {
      for (std::size_t j = 0; j < inner; ++j) {
        offsets.push_back(offsets[j] + i * step);
      }
    }
    if (batch[batch.rank() - back] == 0) {
      return {};
    }
  }
  return offsets;
}

// op(a) op(b) of matrices with equal or broadcasting batch axes, where op transposes the last two axes or not.
Tensor product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b) {
  const Shape batch = broadcast_shapes("matmul", batch_axes(a.shape()), batch_axes(b.shape()));
  const auto shape = kernels::GemmShape::dense(transpose_a, transpose_b, a.size(transpose_a ? -1 : -2),
                                               b.size(transpose_b ? -2 : -1), a.size(transpose_a ? -2 : -1));
  Shape result = batch;
  result.push_back(shape.m);
  result.push_back(shape.n);
  Tensor y = Tensor::empty(result, a.dtype());
  dispatch_float("matmul", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (batch.rank() == 0) {
      kernels::gemm(shape, T(1), a.data<T>(), b.data<T>(), T(0), y.mutable_data<T>());
      return;
    }
    const std::vector<std::int64_t> a_offsets = matrix_offsets(a.shape(), batch);
    const std::vector<std::int64_t> b_offsets = matrix_offsets(b.shape(), batch);
    kernels::gemm_batched(shape, batch.numel(), a.data<T>(), a_offsets.data(), b.data<T>(), b_offsets.data(),
                          y.mutable_data<T>());
  });
  // y = A B gives gA = gy B^T and gB = A^T gy; stored transposed, each is the transpose of that.
  return record("matmul", std::move(y), {a, b},
                [a = Saved(a, b.requires_grad()), b = Saved(b, a.requires_grad()), transpose_a, transpose_b,
                 a_shape = a.shape(), b_shape = b.shape()](const Tensor& gy, GradSink& into) {
                  if (into.wants(0)) {
                    into.add(0, sum_to(transpose_a ? product(b.get(), transpose_b, gy, true)
                                                   : product(gy, false, b.get(), !transpose_b),
                                       a_shape));
                  }
                  if (into.wants(1)) {
                    into.add(1, sum_to(transpose_b ? product(gy, true, a.get(), transpose_a)
                                                   : product(a.get(), !transpose_a, gy, false),
                                       b_shape));
                  }
                });
}

void check_dtypes(const char* where, const Tensor& a, const Tensor& b) {
  require<DTypeError>(a.dtype() == b.dtype(), where, ": expected both operands to have the same dtype but got ",
                      a.dtype(), " and ", b.dtype(), "; convert one of them with to()");
}

// What to do about an input whose last axis is not `in` long.
std::string advice_for(const Tensor& x, std::int64_t in) {
  if (x.dim() > 2 && x.size(0) > 0 && x.numel() / x.size(0) == in) {
    return "; flatten it first: x.flatten(1)";
  }
  return x.dim() == 0 ? "" : detail::concat("; the layer before gives ", x.size(-1), ", so in_features has to be that");
}

struct LinearBackward {
  const Tensor& gy;
  const Tensor& x;       // undefined where the weight needs no gradient
  const Tensor& weight;  // undefined where x needs none
  const Shape& x_shape;
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
};

// All gradients of a linear layer at once, outside of any graph.
void linear_backward(const LinearBackward& b, GradSink& into) {
  const DType dtype = b.gy.dtype();
  Tensor gx = into.wants(0) ? Tensor::empty(b.x_shape, dtype) : Tensor();
  Tensor gweight = into.wants(1) ? Tensor::empty({b.out, b.in}, dtype) : Tensor();
  Tensor gbias = into.wants(2) ? Tensor::empty({b.out}, dtype) : Tensor();
  dispatch_float("backward", dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto elements = [](Tensor& g) { return g.defined() ? g.mutable_data<T>() : nullptr; };
    kernels::linear_backward<T>({b.rows, b.in, b.out, b.gy.data<T>(), gweight.defined() ? b.x.data<T>() : nullptr,
                                 gx.defined() ? b.weight.data<T>() : nullptr, elements(gx), elements(gweight),
                                 elements(gbias)});
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

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_dtypes("matmul", a, b);
  require<ShapeError>(a.dim() >= 1 && b.dim() >= 1, "matmul: expected operands of at least 1 axis but got ", a.shape(),
                      " and ", b.shape());
  const std::int64_t inner = b.dim() == 1 ? b.size(0) : b.size(-2);
  require<ShapeError>(a.size(-1) == inner, "matmul: expected the last axis of the first operand to be as long as the ",
                      b.dim() == 1 ? "last" : "second to last", " of the second but got ", a.shape(), " and ",
                      b.shape());
  const Tensor a_matrix = a.dim() == 1 ? reshape_to(a, {1, a.size(0)}) : a;
  const Tensor b_matrix = b.dim() == 1 ? reshape_to(b, {b.size(0), 1}) : b;
  // One matrix on the right serves all rows of the left: a single, larger product.
  const bool folds = b_matrix.dim() == 2 && a_matrix.dim() > 2;
  const Tensor rows = folds ? reshape_to(a_matrix, {rows_of(a_matrix.shape()), inner}) : a_matrix;
  Shape result = folds ? a_matrix.shape() : Shape();
  const Tensor y = product(rows, false, b_matrix, false);
  if (folds) {
    result[result.rank() - 1] = b_matrix.size(1);
  } else {
    result = y.shape();
  }
  if (b.dim() == 1) {
    result.erase(result.rank() - 1);
  }
  if (a.dim() == 1) {
    result.erase(result.rank() - (b.dim() == 1 ? 1 : 2));
  }
  return result == y.shape() ? y : reshape_to(y, result);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_dtypes("linear", x, weight);
  require<ShapeError>(weight.dim() == 2, "linear: expected a weight [out, in] but got ", weight.shape());
  const std::int64_t out = weight.size(0);
  const std::int64_t in = weight.size(1);
  require<ShapeError>(x.dim() >= 1 && x.size(-1) == in, "linear: expected an input [*, ", in, "] but got ", x.shape(),
                      x.dim() >= 1 && x.size(-1) == in ? "" : advice_for(x, in));
  if (bias.defined()) {
    check_dtypes("linear", x, bias);
    require<ShapeError>(bias.shape() == Shape{out}, "linear: expected a bias [", out, "] but got ", bias.shape());
  }
  Shape result = x.shape();
  result[result.rank() - 1] = out;
  const Shape rows{rows_of(x.shape()), out};
  Tensor y = Tensor::empty(result, x.dtype());
  dispatch_float("linear", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto shape = kernels::GemmShape::dense(false, true, rows[0], out, in);
    if (bias.defined()) {
      kernels::gemm_plus_row(shape, x.data<T>(), weight.data<T>(), bias.data<T>(), y.mutable_data<T>());
    } else {
      kernels::gemm(shape, T(1), x.data<T>(), weight.data<T>(), T(0), y.mutable_data<T>());
    }
  });
  return record("linear", std::move(y), {x, weight, bias},
                [x = Saved(x, weight.requires_grad()), weight = Saved(weight, x.requires_grad()), x_shape = x.shape(),
                 rows, in](const Tensor& gy, GradSink& into) {
                  if (!is_grad_enabled()) {
                    linear_backward({gy, x.get(), weight.get(), x_shape, rows[0], in, rows[1]}, into);
                    return;
                  }
                  const Tensor g = reshape_to(gy, rows);
                  if (into.wants(0)) {
                    into.add(0, reshape_to(product(g, false, weight.get(), false), x_shape));
                  }
                  if (into.wants(1)) {
                    into.add(1, product(g, true, reshape_to(x.get(), {rows[0], in}), false));
                  }
                  if (into.wants(2)) {
                    into.add(2, sum(g, 0));
                  }
                });
}

}  // namespace normgrad
