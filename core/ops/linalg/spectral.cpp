// Singular values and eigenvalues. Backwards: those of PyTorch's torch/csrc/autograd/FunctionsManual.cpp.
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/matrices.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"

namespace normgrad::linalg {

namespace {

using detail::matrix_product;

Tensor as_row(const Tensor& x) { return unsqueeze(x, -2); }
Tensor as_column(const Tensor& x) { return unsqueeze(x, -1); }

// The square matrix with x on its diagonal.
Tensor on_diagonal(const Tensor& x) { return mul(as_row(x), eye(x.size(-1), {.dtype = x.dtype()})); }

// x[i][j] / d[i][j] off the diagonal, where d[i][j] = w[j] - w[i], and 0 on it.
Tensor over_differences(const Tensor& x, const Tensor& w) {
  const Tensor ones_off = 1 - eye(w.size(-1), {.dtype = w.dtype()});
  return detail::quotient_or_zero(mul(x, ones_off), sub(as_row(w), as_column(w)));
}

Tensor skew(const Tensor& x) { return sub(x, detail::transposed(x)); }

Tensor svd_backward(const Tensor& u, const Tensor& s, const Tensor& vh, const Tensor& gu, const Tensor& gs,
                    const Tensor& gvh) {
  const Tensor utgu = matrix_product(u, true, gu, false);
  const Tensor vtgv = matrix_product(vh, false, gvh, true);
  const Tensor squares = square(s);
  const Tensor inner = add(add(mul(over_differences(skew(utgu), squares), as_row(s)),
                               mul(as_column(s), over_differences(skew(vtgv), squares))),
                           on_diagonal(gs));
  Tensor gx = matmul(matmul(u, inner), vh);
  if (u.size(-2) > u.size(-1)) {
    const Tensor outside = sub(gu, matmul(u, utgu));
    gx = add(gx, matmul(detail::quotient_or_zero(outside, as_row(s)), vh));
  }
  if (vh.size(-1) > vh.size(-2)) {
    const Tensor outside = sub(gvh, matrix_product(vtgv, true, vh, false));
    gx = add(gx, matmul(u, detail::quotient_or_zero(outside, as_column(s))));
  }
  return gx;
}

// U [*, m, k], S [*, k] and Vh [*, k, n] packed into one result.
Tensor packed_svd(const char* name, const Tensor& x, const detail::Matrices& sizes, bool full) {
  const std::int64_t u_size = sizes.m * (full ? sizes.m : sizes.k());
  const std::int64_t vh_size = (full ? sizes.n : sizes.k()) * sizes.n;
  Tensor y = Tensor::empty(sizes.followed_by({u_size + sizes.k() + vh_size}), x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = y.mutable_data<T>();
    const std::int64_t step = y.size(-1);
    using Out = kernels::Batched<T>;
    detail::check_converged(name, sizes,
                            kernels::svd(sizes.count, sizes.m, sizes.n, full, x.data<T>(), Out{to, step},
                                         Out{to + u_size, step}, Out{to + u_size + sizes.k(), step}));
  });
  return y;
}

SVD unpacked_svd(const Tensor& packed, const detail::Matrices& sizes, bool full) {
  const std::int64_t u_columns = full ? sizes.m : sizes.k();
  const std::int64_t vh_rows = full ? sizes.n : sizes.k();
  return {detail::unpack(packed, 0, sizes.followed_by({sizes.m, u_columns}), sizes),
          detail::unpack(packed, sizes.m * u_columns, sizes.followed_by({sizes.k()}), sizes),
          detail::unpack(packed, sizes.m * u_columns + sizes.k(), sizes.followed_by({vh_rows, sizes.n}), sizes)};
}

}  // namespace

SVD svd(const Tensor& x, bool full_matrices) {
  const char* const name = "linalg.svd";
  const detail::Matrices sizes = detail::matrices_of(name, x);
  const bool full = full_matrices && sizes.m != sizes.n;
  Tensor packed = packed_svd(name, x, sizes, full);
  SavedOutput out(packed);
  packed = record(name, std::move(packed), {x}, [out = std::move(out), sizes, full](const Tensor& gy, GradSink& into) {
    SVD y = unpacked_svd(out.get(), sizes, full);
    SVD g = unpacked_svd(gy, sizes, full);
    if (full) {
      for (SVD* part : {&y, &g}) {
        part->U = narrow(part->U, -1, 0, sizes.k());
        part->Vh = narrow(part->Vh, -2, 0, sizes.k());
      }
    }
    into.add(0, svd_backward(y.U, y.S, y.Vh, g.U, g.S, g.Vh));
  });
  return unpacked_svd(packed, sizes, full);
}

Tensor svdvals(const Tensor& x) {
  const char* const name = "linalg.svdvals";
  const detail::Matrices sizes = detail::matrices_of(name, x);
  if (is_grad_enabled() && x.requires_grad()) {
    // The gradient needs the vectors, but not their derivatives, which are infinite for equal singular values.
    const SVD plain = [&] {
      const NoGradGuard guard;
      return svd(x, false);
    }();
    return record(name, plain.S, {x}, [x = Saved(x), u = plain.U, vh = plain.Vh](const Tensor& gy, GradSink& into) {
      const SVD vectors = is_grad_enabled() ? svd(x.get(), false) : SVD{u, {}, vh};
      into.add(0, matmul(mul(vectors.U, as_row(gy)), vectors.Vh));
    });
  }
  Tensor y = Tensor::empty(sizes.followed_by({sizes.k()}), x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    detail::check_converged(name, sizes,
                            kernels::svd(sizes.count, sizes.m, sizes.n, false, x.data<T>(), kernels::Batched<T>{},
                                         kernels::Batched<T>{y.mutable_data<T>(), sizes.k()}, kernels::Batched<T>{}));
  });
  return y;
}

namespace {

bool reads_upper(const char* name, const std::string& uplo) {
  require<ValueError>(uplo == "L" || uplo == "U", name, ": expected UPLO \"L\" or \"U\" but got \"", uplo, "\"");
  return uplo == "U";
}

Eigh unpacked_eigh(const Tensor& packed, const detail::Matrices& sizes) {
  return {detail::unpack(packed, 0, sizes.followed_by({sizes.n}), sizes),
          detail::unpack(packed, sizes.n, sizes.followed_by({sizes.n, sizes.n}), sizes)};
}

}  // namespace

Eigh eigh(const Tensor& x, const std::string& UPLO) {
  const char* const name = "linalg.eigh";
  const detail::Matrices sizes = detail::square_matrices_of(name, x);
  const bool upper = reads_upper(name, UPLO);
  Tensor packed = Tensor::empty(sizes.followed_by({sizes.n + sizes.n * sizes.n}), x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = packed.mutable_data<T>();
    const std::int64_t step = packed.size(-1);
    detail::check_converged(name, sizes,
                            kernels::eigh(sizes.count, sizes.n, upper, x.data<T>(), kernels::Batched<T>{to, step},
                                          kernels::Batched<T>{to + sizes.n, step}));
  });
  SavedOutput out(packed);
  packed = record(name, std::move(packed), {x}, [out = std::move(out), sizes](const Tensor& gy, GradSink& into) {
    const auto [w, v] = unpacked_eigh(out.get(), sizes);
    const auto [gw, gv] = unpacked_eigh(gy, sizes);
    const Tensor inner = add(over_differences(matrix_product(v, true, gv, false), w), on_diagonal(gw));
    into.add(0, matrix_product(matmul(v, inner), false, v, true));
  });
  return unpacked_eigh(packed, sizes);
}

Tensor eigvalsh(const Tensor& x, const std::string& UPLO) {
  const char* const name = "linalg.eigvalsh";
  const detail::Matrices sizes = detail::square_matrices_of(name, x);
  const bool upper = reads_upper(name, UPLO);
  if (is_grad_enabled() && x.requires_grad()) {
    const Eigh plain = [&] {
      const NoGradGuard guard;
      return eigh(x, UPLO);
    }();
    return record(name, plain.eigenvalues, {x},
                  [x = Saved(x), v = plain.eigenvectors, UPLO](const Tensor& gy, GradSink& into) {
                    const Tensor vectors = is_grad_enabled() ? eigh(x.get(), UPLO).eigenvectors : v;
                    into.add(0, matrix_product(mul(vectors, as_row(gy)), false, vectors, true));
                  });
  }
  Tensor y = Tensor::empty(sizes.followed_by({sizes.n}), x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    detail::check_converged(name, sizes,
                            kernels::eigh(sizes.count, sizes.n, upper, x.data<T>(),
                                          kernels::Batched<T>{y.mutable_data<T>(), sizes.n}, kernels::Batched<T>{}));
  });
  return y;
}

}  // namespace normgrad::linalg
