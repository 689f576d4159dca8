#include <limits>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/matrices.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"

namespace normgrad::linalg {

namespace {

struct Determinants {
  Tensor sign;
  Tensor log;
  Tensor value;
  bool singular = false;  // one of the matrices is
};

Determinants determinants(const char* name, const Tensor& x) {
  const detail::Matrices sizes = detail::square_matrices_of(name, x);
  const auto made = [&] { return Tensor::empty(sizes.batch, x.dtype()); };
  Determinants y{.sign = made(), .log = made(), .value = made()};
  Tensor lu = Tensor::empty(x.shape(), x.dtype());
  std::vector<int> pivots(static_cast<std::size_t>(sizes.count * sizes.n));
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* factors = lu.mutable_data<T>();
    kernels::lu_factor(sizes.count, sizes.n, x.data<T>(), factors, pivots.data());
    y.singular = kernels::lu_determinant(sizes.count, sizes.n, factors, pivots.data(), y.sign.mutable_data<T>(),
                                         y.log.mutable_data<T>(), y.value.mutable_data<T>());
  });
  return y;
}

// A number per matrix as factors of its elements.
Tensor per_matrix(const Tensor& x) { return unsqueeze(unsqueeze(x, -1), -1); }

// The matrices of cofactors by singular values, for singular matrices too: det(u vh) u diag(products of the other
// singular values) vh.
Tensor cofactors(const Tensor& x) {
  const auto [u, s, vh] = svd(x, false);
  const std::int64_t n = s.size(-1);
  std::vector<Tensor> others;
  for (std::int64_t i = 0; i < n; ++i) {
    others.push_back(prod(cat({narrow(s, -1, 0, i), narrow(s, -1, i + 1, n - i - 1)}, -1), -1, true));
  }
  const Tensor sign = per_matrix(linalg::det(matmul(u, vh)).detach());  // 1 or -1
  return mul(sign, matmul(mul(u, unsqueeze(cat(others, -1), -2)), vh));
}

}  // namespace

Tensor det(const Tensor& x) {
  Determinants y = determinants("linalg.det", x);
  SavedOutput out(y.value);
  return record("linalg.det", std::move(y.value), {x},
                [x = Saved(x), out = std::move(out), singular = y.singular](const Tensor& gy, GradSink& into) {
                  if (x.get().numel() == 0) {
                    into.add(0, zeros_like(x.get()));
                  } else if (singular) {
                    into.add(0, mul(per_matrix(gy), cofactors(x.get())));
                  } else {
                    into.add(0, mul(per_matrix(mul(gy, out.get())), detail::transposed(inv(x.get()))));
                  }
                });
}

Slogdet slogdet(const Tensor& x) {
  Determinants y = determinants("linalg.slogdet", x);
  return {y.sign, record("linalg.slogdet", std::move(y.log), {x}, [x = Saved(x)](const Tensor& gy, GradSink& into) {
            into.add(0, mul(per_matrix(gy), detail::transposed(inv(x.get()))));
          })};
}

}  // namespace normgrad::linalg

namespace normgrad {

Tensor det(const Tensor& x) { return linalg::det(x); }

linalg::Slogdet slogdet(const Tensor& x) { return linalg::slogdet(x); }

Tensor logdet(const Tensor& x) {
  const auto [sign, logarithm] = linalg::slogdet(x);
  return where(lt(sign, 0), std::numeric_limits<double>::quiet_NaN(), logarithm);
}

}  // namespace normgrad
