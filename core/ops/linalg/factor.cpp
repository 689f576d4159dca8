// Factorizations with triangular factors. Backwards: S. F. Walter and L. Lehmann, Algorithmic differentiation of linear
// algebra functions (arXiv 1001.1654); I. Murray, Differentiation of the Cholesky decomposition (arXiv 1602.07527).
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/matrices.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"

namespace normgrad::linalg {

namespace {

using detail::matrix_product;

// The matrix x with its diagonal halved and zeros above it.
Tensor lower_half(const Tensor& x) {
  const Tensor half = mul(eye(x.size(-1), {.dtype = x.dtype()}), 0.5);
  return sub(tril(x), mul(x, half));
}

// The symmetric matrix with the lower triangle of x.
Tensor symmetric_from_lower(const Tensor& x) {
  const Tensor half = lower_half(x);
  return add(half, detail::transposed(half));
}

}  // namespace

Tensor cholesky(const Tensor& x, bool upper) {
  const char* const name = "linalg.cholesky";
  const detail::Matrices sizes = detail::square_matrices_of(name, x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  kernels::Failure failure;
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    failure = kernels::cholesky(sizes.count, sizes.n, upper, x.data<T>(), y.mutable_data<T>());
  });
  require<ValueError>(failure.matrix < 0, name, ": expected a positive definite matrix but the leading ", failure.info,
                      " x ", failure.info, " block of ", detail::which_matrix(sizes, failure), " is not");
  SavedOutput out(y);
  return record(name, std::move(y), {x}, [out = std::move(out), upper](const Tensor& gy, GradSink& into) {
    const Tensor l = upper ? detail::transposed(out.get()) : out.get();
    const Tensor phi = lower_half(upper ? matrix_product(l, true, gy, true) : matrix_product(l, true, gy, false));
    const Tensor symmetric = mul(add(phi, detail::transposed(phi)), 0.5);
    const Tensor from_left = solve_triangular(detail::transposed(l), symmetric, true);
    into.add(0, solve_triangular(l, from_left, false, false));
  });
}

namespace {

// The gradient of x = q r for square r.
Tensor qr_backward(const Tensor& q, const Tensor& r, const Tensor& gq, const Tensor& gr) {
  const Tensor m = sub(matrix_product(r, false, gr, true), matrix_product(gq, true, q, false));
  const Tensor inner = add(gq, matrix_product(q, false, symmetric_from_lower(m), false));
  return solve_triangular(detail::transposed(r), inner, false, false);
}

// Mode "reduced" with Q and R packed into one result, or the other modes.
Tensor packed_qr(const Tensor& x, const detail::Matrices& sizes, std::int64_t k, bool with_q) {
  const std::int64_t q_size = with_q ? sizes.m * k : 0;
  Tensor y = Tensor::empty(sizes.followed_by({q_size + k * sizes.n}), x.dtype());
  dispatch_float("linalg.qr", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = y.mutable_data<T>();
    const std::int64_t step = y.size(-1);
    kernels::qr(sizes.count, sizes.m, sizes.n, k, x.data<T>(), kernels::Batched<T>{with_q ? to : nullptr, step},
                kernels::Batched<T>{to + q_size, step});
  });
  return y;
}

}  // namespace

QR qr(const Tensor& x, const std::string& mode) {
  const char* const name = "linalg.qr";
  const detail::Matrices sizes = detail::matrices_of(name, x);
  require<ValueError>(mode == "reduced" || mode == "complete" || mode == "r", name,
                      ": expected mode \"reduced\", \"complete\" or \"r\" but got \"", mode, "\"");
  const std::int64_t k = mode == "complete" ? sizes.m : sizes.k();
  const bool recorded = is_grad_enabled() && x.requires_grad();
  const bool with_q = mode != "r" || recorded;
  const Shape q_shape = sizes.followed_by({sizes.m, k});
  const Shape r_shape = sizes.followed_by({k, sizes.n});
  Tensor packed = packed_qr(x, sizes, k, with_q);
  SavedOutput out(packed);
  const std::int64_t q_size = with_q ? sizes.m * k : 0;
  packed =
      record(name, std::move(packed), {x},
             [out = std::move(out), sizes, q_shape, r_shape, k, q_size](const Tensor& gy, GradSink& into) {
               require<GraphError>(k <= sizes.n,
                                   "linalg.qr: expected mode \"reduced\" for the gradient of matrices with more rows ",
                                   "than columns but got \"complete\"");
               const Tensor both = out.get();
               const Tensor q = detail::unpack(both, 0, q_shape, sizes);
               const Tensor r = detail::unpack(both, q_size, r_shape, sizes);
               const Tensor gq = detail::unpack(gy, 0, q_shape, sizes);
               const Tensor gr = detail::unpack(gy, q_size, r_shape, sizes);
               if (k == sizes.n) {
                 into.add(0, qr_backward(q, r, gq, gr));
                 return;
               }
               // x = [x1 x2] and r = [r1 r2] with square x1 = q r1, and r2 = q^T x2.
               const Tensor r2 = narrow(r, -1, k, sizes.n - k);
               const Tensor gr2 = narrow(gr, -1, k, sizes.n - k);
               const Tensor x2 = matrix_product(q, false, r2, false);
               const Tensor gq_of_both = add(gq, matrix_product(x2, false, gr2, true));
               const Tensor gx1 = qr_backward(q, narrow(r, -1, 0, k), gq_of_both, narrow(gr, -1, 0, k));
               into.add(0, cat({gx1, matrix_product(q, false, gr2, false)}, -1));
             });
  return {mode == "r" ? Tensor() : detail::unpack(packed, 0, q_shape, sizes),
          detail::unpack(packed, q_size, r_shape, sizes)};
}

}  // namespace normgrad::linalg
