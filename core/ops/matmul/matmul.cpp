#include "normgrad/core/ops/matmul/matmul.hpp"

#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/ops/detail/matrix_product.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// The product of all sizes but the last.
std::int64_t rows_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end() - 1, std::int64_t{1}, std::multiplies<>());
}

Shape batch_axes(const Shape& shape) { return Shape(std::span(shape.begin(), shape.rank() - 2)); }

// The offset of each matrix of a tensor with axes `own` when its batch axes are broadcast to `batch`.
std::vector<std::int64_t> matrix_offsets(const Shape& own, const Shape& batch) {
  const auto strides = strides_of(own);
  std::vector<std::int64_t> offsets{0};
  offsets.reserve(static_cast<std::size_t>(batch.numel()));
  // From the last batch axis to the first: each axis repeats the offsets so far, shifted.
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

void check_dtypes(const char* where, const Tensor& a, const Tensor& b) {
  require<DTypeError>(a.dtype() == b.dtype(), where, ": expected operands of the same dtype but got ", a.dtype(),
                      " and ", b.dtype(), "; convert one of them with to()");
}

Tensor in_shape(const Tensor& x, const Shape& shape) { return x.shape() == shape ? x : reshape_to(x, shape); }

// `a_given` and `b_given` are the operands before they were reshaped to matrices, for error messages.
Tensor product_of(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& a_given,
                  const Tensor& b_given) {
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
  // y = A B gives gA = gy B^T and gB = A^T gy. For a transposed operand, each is transposed.
  return record("matmul", std::move(y), {a, b},
                [a = Saved(a_given, b.requires_grad()), b = Saved(b_given, a.requires_grad()), transpose_a, transpose_b,
                 a_shape = a.shape(), b_shape = b.shape()](const Tensor& gy, GradSink& into) {
                  using detail::matrix_product;
                  if (into.wants(0)) {
                    const Tensor right = in_shape(b.get(), b_shape);
                    into.add(0, sum_to(transpose_a ? matrix_product(right, transpose_b, gy, true)
                                                   : matrix_product(gy, false, right, !transpose_b),
                                       a_shape));
                  }
                  if (into.wants(1)) {
                    const Tensor left = in_shape(a.get(), a_shape);
                    into.add(1, sum_to(transpose_b ? matrix_product(gy, true, left, transpose_a)
                                                   : matrix_product(left, !transpose_a, gy, false),
                                       b_shape));
                  }
                });
}

}  // namespace

Tensor detail::matrix_product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b) {
  return product_of(a, transpose_a, b, transpose_b, a, b);
}

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
  // A single matrix on the right multiplies all rows on the left in one larger product.
  const bool folds = b_matrix.dim() == 2 && a_matrix.dim() > 2;
  const Tensor rows = folds ? reshape_to(a_matrix, {rows_of(a_matrix.shape()), inner}) : a_matrix;
  Shape result = folds ? a_matrix.shape() : Shape();
  const Tensor y = product_of(rows, false, b_matrix, false, a, b);
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

}  // namespace normgrad
