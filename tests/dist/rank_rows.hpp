// The rows of a batch that belong to a rank, and functions over all ranks together.
#pragma once

#include <functional>
#include <numeric>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::tests {

/// Rows per rank: as many for each.
inline std::vector<std::int64_t> even_rows(std::int64_t n) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(ProcessGroup::world().size()), n);
}

inline std::int64_t all_rows(const std::vector<std::int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

/// The rows of this rank of a tensor that all ranks hold.
inline Tensor own_rows(const Tensor& whole, const std::vector<std::int64_t>& sizes) {
  const auto rank = static_cast<std::size_t>(ProcessGroup::world().rank());
  const std::int64_t start = std::accumulate(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(rank), 0L);
  return whole.narrow(0, start, sizes[rank]);
}

/// A function of the first input's rows on all ranks, for finite differences: `f` maps the rows of this rank and the
/// other inputs to a tensor whose shape may depend on the rank. All ranks hold the same inputs. The mean over the ranks
/// is the input itself, and makes its gradient that of all ranks' uses. The losses differ by rank.
inline std::function<Tensor(const std::vector<Tensor>&)> over_ranks(
    const std::function<Tensor(const std::vector<Tensor>& in)>& f, const std::vector<std::int64_t>& sizes) {
  return [=](const std::vector<Tensor>& inputs) {
    const ProcessGroup group = ProcessGroup::world();
    std::vector<Tensor> in;
    for (const Tensor& input : inputs) {
      in.push_back(group.all_reduce(input, ReduceOp::mean));
    }
    in[0] = own_rows(in[0], sizes);
    const Tensor y = f(in);
    const Tensor weights = random_tensor(y.shape(), y.dtype(), 50 + static_cast<std::uint32_t>(group.rank()));
    return group.all_reduce(sum(y.sigmoid() * weights));
  };
}

}  // namespace normgrad::tests
