// Pseudoinverses and least squares. Backward: G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and
// nonlinear least squares problems whose variables separate (SIAM J. Numer. Anal. 10, 1973).
#include <cmath>
#include <limits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/matrices.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"

namespace normgrad::linalg {

namespace {

using detail::matrix_product;

double default_tolerance(const Tensor& x, const detail::Matrices& sizes) {
  const double precision =
      x.dtype() == kFloat32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  return precision * static_cast<double>(std::max(sizes.m, sizes.n));
}

void check_tolerance(const char* name, const char* what, double value) {
  require<ValueError>(value >= 0.0 && std::isfinite(value), name, ": expected ", what, " >= 0 but got ", value);
}

// The gradient of p = pinv(x) among matrices of the same rank.
Tensor pinv_backward(const Tensor& x, const Tensor& p, const Tensor& gp) {
  const Tensor gpt = detail::transposed(gp);
  const Tensor first = matrix_product(matrix_product(p, true, gp, false), false, p, true);
  const Tensor outside_rows = sub(gpt, matmul(x, matmul(p, gpt)));                // (1 - x p) gp^T
  const Tensor outside_columns = sub(gpt, matmul(matmul(gpt, p), x));             // gp^T (1 - p x)
  const Tensor second = matmul(outside_rows, matrix_product(p, false, p, true));  // ... p p^T
  const Tensor third = matmul(matrix_product(p, true, p, false), outside_columns);
  return add(sub(second, first), third);
}

}  // namespace

Tensor pinv(const Tensor& x, std::optional<double> atol, std::optional<double> rtol) {
  const char* const name = "linalg.pinv";
  const detail::Matrices sizes = detail::matrices_of(name, x);
  const double absolute = atol.value_or(0.0);
  const double relative = rtol.value_or(absolute > 0.0 ? 0.0 : default_tolerance(x, sizes));
  check_tolerance(name, "atol", absolute);
  check_tolerance(name, "rtol", relative);
  Tensor y = [&] {
    const NoGradGuard guard;
    if (x.numel() == 0) {
      return zeros(sizes.followed_by({sizes.n, sizes.m}), {.dtype = x.dtype()});
    }
    const auto [u, s, vh] = svd(x, false);
    const Tensor limit = maximum(mul(narrow(s, -1, 0, 1), relative), detail::scalar_like(s, absolute));
    const Tensor inverse = where(gt(s, limit), 1 / s, 0);
    return matrix_product(vh, true, mul(u, unsqueeze(inverse, -2)), true);
  }();
  SavedOutput out(y);
  return record(name, std::move(y), {x}, [x = Saved(x), out = std::move(out)](const Tensor& gy, GradSink& into) {
    into.add(0, pinv_backward(x.get(), out.get(), gy));
  });
}

Lstsq lstsq(const Tensor& a, const Tensor& b, std::optional<double> rcond) {
  const char* const name = "linalg.lstsq";
  detail::check_same_dtype(name, a, b);
  const detail::Matrices sizes = detail::matrices_of(name, a);
  const detail::Matrices of_b = detail::matrices_of(name, b);
  require<ShapeError>(sizes.batch == of_b.batch && sizes.m == of_b.m, name,
                      ": expected [*, m, n] and [*, m, k] but got ", a.shape(), " and ", b.shape());
  const double relative = rcond.value_or(default_tolerance(a, sizes));
  check_tolerance(name, "rcond", relative);
  Tensor y = Tensor::empty(sizes.followed_by({sizes.n, of_b.n}), a.dtype());
  Lstsq result;
  result.rank = Tensor::empty(sizes.batch, kInt64);
  result.singular_values = Tensor::empty(sizes.followed_by({sizes.k()}), a.dtype());
  dispatch_float(name, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    detail::check_converged(
        name, sizes,
        kernels::least_squares(sizes.count, sizes.m, sizes.n, of_b.n, static_cast<T>(relative), a.data<T>(),
                               b.data<T>(), y.mutable_data<T>(), result.rank.mutable_data<std::int64_t>(),
                               result.singular_values.mutable_data<T>()));
  });
  result.solution =
      record(name, std::move(y), {a, b}, [a = Saved(a), b = Saved(b), relative](const Tensor& gy, GradSink& into) {
        const Tensor p = pinv(a.get(), 0.0, relative);
        const Tensor gp = matrix_product(gy, false, b.get(), true);
        if (into.wants(0)) into.add(0, pinv_backward(a.get(), p, gp));
        if (into.wants(1)) into.add(1, matrix_product(p, true, gy, false));
      });
  const bool full_rank = all(eq(result.rank, sizes.n)).item() != 0.0;
  result.residuals = sizes.m > sizes.n && full_rank ? sum(square(sub(matmul(a, result.solution), b)), -2)
                                                    : Tensor::empty({0}, a.dtype());
  return result;
}

}  // namespace normgrad::linalg

namespace normgrad {

Tensor pinverse(const Tensor& x, double rcond) { return linalg::pinv(x, 0.0, rcond); }

}  // namespace normgrad
