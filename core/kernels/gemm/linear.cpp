#include "normgrad/core/kernels/gemm/linear.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/gemm/partition.hpp"
#include "normgrad/core/kernels/reduce/reduce.hpp"

namespace normgrad::kernels {

namespace {

using detail::GemmPartition;

// Cost of an activation of one element, in multiplications.
template <class Op>
std::int64_t work_of(Op op) {
  return op == Op::relu ? 1 : 20;
}

// Sums of the columns [begin, end) of gy. A column's sum does not depend on its neighbors, because the pieces of a
// product are wider than a register.
template <class T>
void sum_columns(const LinearGradients<T>& g, std::int64_t begin, std::int64_t end) {
  const Buffer scratch(static_cast<std::size_t>(end - begin) * sizeof(double));
  auto* sums = reinterpret_cast<double*>(scratch.data());
  NORMGRAD_SIMD_SELECT(reduce_columns<T>)(ReduceOp::sum, g.gy + begin, sums, g.rows, end - begin, g.out);
  std::transform(sums, sums + (end - begin), g.gb + begin, [](double v) { return static_cast<T>(v); });
}

// Interleaves the pieces of both products, so that equal shares of the sequence are equal shares of each.
class BothProducts {
 public:
  template <class T>
  BothProducts(const GemmPartition<T>& first, const GemmPartition<T>& second) {
    for (std::int64_t i = 0, j = 0; i < first.count() || j < second.count();) {
      // Compares the centers of the next pieces within their products.
      const bool is_first =
          j == second.count() || (i < first.count() && (2 * i + 1) * second.count() <= (2 * j + 1) * first.count());
      order_[static_cast<std::size_t>(count_++)] = {is_first, is_first ? i++ : j++};
    }
  }
  std::int64_t count() const noexcept { return count_; }
  // Returns whether piece i belongs to the first product, and its index there.
  std::pair<bool, std::int64_t> operator[](std::int64_t i) const { return order_[static_cast<std::size_t>(i)]; }

 private:
  std::array<std::pair<bool, std::int64_t>, 2 * detail::kMaxPieces> order_;
  std::int64_t count_ = 0;
};

}  // namespace

template <class T>
void activated_linear(const ActivatedLinear<T>& l) {
  const GemmShape shape = GemmShape::dense(false, true, l.rows, l.out, l.in);
  GemmPartition<T> pieces(shape, T(1), l.h, l.w, l.b == nullptr ? T(0) : T(1), l.b, l.y, l.rows * l.in * work_of(l.f));
  const std::int64_t work = l.rows * l.in * (l.out + (pieces.by_rows() ? work_of(l.f) : 0));
  const bool on_one_thread =
      get_num_threads() == 1 || detail::is_for_one_thread(work, l.rows * (2 * l.in + l.out) + l.in * l.out);
  if (on_one_thread) {
    pieces.merge();
  }
  if (!pieces.by_rows() || pieces.count() == 0) {
    unary(l.f, {}, l.z, l.h, l.rows * l.in);
    detail::run_pieces(pieces.count(), on_one_thread, [&](std::int64_t i) { pieces.run(i); });
    return;
  }
  detail::run_pieces(pieces.count(), on_one_thread, [&](std::int64_t i) {
    const std::int64_t begin = pieces.begin(i) * l.in;
    const std::int64_t n = pieces.begin(i + 1) * l.in - begin;
    NORMGRAD_SIMD_SELECT(unary<T>)(l.f, {}, l.z + begin, l.h + begin, n);
    pieces.run(i);
  });
}

template <class T>
void linear_backward(const LinearGradients<T>& g) {
  const std::int64_t beside = g.f ? g.rows * g.in * work_of(*g.f) : 0;
  const std::int64_t rows_of_gx = g.gx == nullptr ? 0 : g.rows;
  const std::int64_t rows_of_gw = g.gw == nullptr ? 0 : g.out;
  GemmPartition<T> gx(GemmShape::dense(false, false, rows_of_gx, g.in, g.out), T(1), g.gy, g.w, T(0), nullptr, g.gx,
                      beside);
  GemmPartition<T> gw(GemmShape{true, false, rows_of_gw, g.in, g.rows, g.out, g.in, g.in}, T(1), g.gy, g.x, T(0),
                      nullptr, g.gw);
  const bool sums_apart = g.gb != nullptr && (gw.count() == 0 || !gw.by_rows());
  const std::int64_t work = (rows_of_gx + (g.gw == nullptr ? 0 : g.rows)) * g.in * g.out + beside;
  const std::int64_t elements = g.rows * (g.in + g.out) + g.in * g.out;
  const bool on_one_thread = get_num_threads() == 1 || detail::is_for_one_thread(work, elements);
  if (on_one_thread) {
    gx.merge();
    gw.merge();
  }
  const auto apply_slope = [&](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(unary_grad<T>)(*g.f, {}, g.x + begin, g.gx + begin, g.gx + begin, end - begin);
  };
  const BothProducts pieces(gx, gw);
  const auto run = [&](std::int64_t i) {
    const auto [is_gx, piece] = pieces[i];
    if (is_gx) {
      gx.run(piece);
      if (g.f && gx.by_rows()) {
        apply_slope(gx.begin(piece) * g.in, gx.begin(piece + 1) * g.in);
      }
      return;
    }
    gw.run(piece);
    if (g.gb != nullptr && gw.by_rows()) {
      sum_columns(g, gw.begin(piece), gw.begin(piece + 1));
    }
  };
  detail::run_pieces(pieces.count(), on_one_thread, run);
  if (g.f && g.gx != nullptr && !gx.by_rows()) {
    unary_grad(*g.f, {}, g.x, g.gx, g.gx, g.rows * g.in);
  }
  if (sums_apart) {
    reduce(ReduceOp::sum, ReduceLayout(Shape{g.rows, g.out}, {true, false}), g.gy, g.gb);
  }
}

template void activated_linear(const ActivatedLinear<float>&);
template void activated_linear(const ActivatedLinear<double>&);
template void linear_backward(const LinearGradients<float>&);
template void linear_backward(const LinearGradients<double>&);

}  // namespace normgrad::kernels
