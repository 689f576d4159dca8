#include <memory>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/matrices.hpp"
#include "normgrad/core/ops/linalg/linalg.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"

namespace normgrad::linalg {

namespace {

using detail::matrix_product;

// What Gaussian elimination leaves of a batch of matrices.
class Elimination {
 public:
  Elimination(const char* name, const Tensor& a, const detail::Matrices& sizes)
      : lu_(Tensor::empty(a.shape(), a.dtype())), pivots_(static_cast<std::size_t>(sizes.count * sizes.n)) {
    kernels::Failure failure;
    dispatch_float(name, a.dtype(), [&](auto zero) {
      using T = decltype(zero);
      failure = kernels::lu_factor(sizes.count, sizes.n, a.data<T>(), lu_.mutable_data<T>(), pivots_.data());
    });
    require<ValueError>(failure.matrix < 0, name, ": expected an invertible matrix but ",
                        detail::which_matrix(sizes, failure), " is singular (pivot ", failure.info, " is 0)");
  }

  // inverse(a) b, or inverse(a^T) b; not recorded.
  Tensor solve(const Tensor& b, bool transposed) const {
    Tensor y = Tensor::empty(b.shape(), b.dtype());
    dispatch_float("linalg.solve", b.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const std::int64_t n = b.size(-2);
      const std::int64_t matrices = n == 0 ? 0 : static_cast<std::int64_t>(pivots_.size()) / n;
      kernels::lu_solve(matrices, n, b.size(-1), transposed, lu_.data<T>(), pivots_.data(), b.data<T>(),
                        y.mutable_data<T>());
    });
    return y;
  }

 private:
  Tensor lu_;
  std::vector<int> pivots_;
};

// a and b with their batch axes broadcast.
struct Operands {
  Tensor a;
  Tensor b;
  detail::Matrices sizes;  // of a
};

Operands broadcast_operands(const char* name, const Tensor& a, const Tensor& b) {
  detail::check_same_dtype(name, a, b);
  const detail::Matrices of_a = detail::square_matrices_of(name, a);
  const detail::Matrices of_b = detail::matrices_of(name, b);
  require<ShapeError>(of_b.m == of_a.n, name, ": expected [*, n, n] and [*, n, k] but got ", a.shape(), " and ",
                      b.shape());
  detail::Matrices sizes = of_a;
  sizes.batch = broadcast_shapes(name, of_a.batch, of_b.batch);
  sizes.count = sizes.batch.numel();
  return {expand_to(a, sizes.followed_by({of_a.n, of_a.n})), expand_to(b, sizes.followed_by({of_b.m, of_b.n})), sizes};
}

// y with a y = b for equal batch axes.
Tensor solve_matrices(const Tensor& a, const Tensor& b, const detail::Matrices& sizes) {
  const auto elimination = std::make_shared<Elimination>("linalg.solve", a, sizes);
  Tensor y = elimination->solve(b, false);
  SavedOutput out(y);
  return record("linalg.solve", std::move(y), {a, b},
                [a = Saved(a), out = std::move(out), elimination](const Tensor& gy, GradSink& into) {
                  const Tensor gb =
                      is_grad_enabled() ? linalg::solve(detail::transposed(a.get()), gy) : elimination->solve(gy, true);
                  if (into.wants(0)) into.add(0, neg(matrix_product(gb, false, out.get(), true)));
                  if (into.wants(1)) into.add(1, gb);
                });
}

}  // namespace

Tensor solve(const Tensor& a, const Tensor& b, bool left) {
  const char* const name = "linalg.solve";
  const detail::Matrices of_a = detail::square_matrices_of(name, a);
  const bool vectors = b.dim() == 1 || (b.dim() == a.dim() - 1 && b.shape() == of_a.followed_by({of_a.n}));
  if (!left) {
    require<ShapeError>(b.dim() >= 2 && !vectors, name, ": expected matrices [*, k, n] for left = false but got ",
                        b.shape());
    return detail::transposed(solve(detail::transposed(a), detail::transposed(b)));
  }
  const Operands both = broadcast_operands(name, a, vectors ? unsqueeze(b, -1) : b);
  const Tensor y = solve_matrices(both.a, both.b, both.sizes);
  return vectors ? squeeze(y, -1) : y;
}

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular) {
  const char* const name = "linalg.solve_triangular";
  if (!left) {
    detail::square_matrices_of(name, a);
    detail::matrices_of(name, b);
    require<ShapeError>(b.size(-1) == a.size(-1), name, ": expected [*, n, n] and [*, k, n] for left = false but got ",
                        a.shape(), " and ", b.shape());
    return detail::transposed(
        solve_triangular(detail::transposed(a), detail::transposed(b), !upper, true, unitriangular));
  }
  const Operands both = broadcast_operands(name, a, b);
  Tensor y = Tensor::empty(both.b.shape(), b.dtype());
  kernels::Failure failure;
  dispatch_float(name, b.dtype(), [&](auto zero) {
    using T = decltype(zero);
    failure = kernels::triangular_solve(both.sizes.count, both.sizes.n, both.b.size(-1), upper, unitriangular,
                                        both.a.data<T>(), both.b.data<T>(), y.mutable_data<T>());
  });
  require<ValueError>(failure.matrix < 0, name, ": expected an invertible matrix but ",
                      detail::which_matrix(both.sizes, failure), " has a 0 at place ", failure.info,
                      " of its diagonal");
  SavedOutput out(y);
  return record(name, std::move(y), {both.a, both.b},
                [a = Saved(both.a), out = std::move(out), upper, unitriangular](const Tensor& gy, GradSink& into) {
                  const Tensor gb = solve_triangular(detail::transposed(a.get()), gy, !upper, true, unitriangular);
                  if (into.wants(0)) {
                    const Tensor ga = neg(matrix_product(gb, false, out.get(), true));
                    into.add(0, upper ? triu(ga, unitriangular ? 1 : 0) : tril(ga, unitriangular ? -1 : 0));
                  }
                  if (into.wants(1)) into.add(1, gb);
                });
}

Tensor inv(const Tensor& x) {
  const detail::Matrices sizes = detail::square_matrices_of("linalg.inv", x);
  const Tensor identity = expand_to(eye(sizes.n, {.dtype = x.dtype()}), x.shape());
  Tensor y = Elimination("linalg.inv", x, sizes).solve(identity, false);
  SavedOutput out(y);
  return record("linalg.inv", std::move(y), {x}, [out = std::move(out)](const Tensor& gy, GradSink& into) {
    const Tensor inverse = out.get();
    into.add(0, neg(matrix_product(matrix_product(inverse, true, gy, false), false, inverse, true)));
  });
}

}  // namespace normgrad::linalg

namespace normgrad {

Tensor inverse(const Tensor& x) { return linalg::inv(x); }

}  // namespace normgrad
