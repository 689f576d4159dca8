#include "normgrad/core/kernels/memory/layout.hpp"

#include "normgrad/core/kernels/memory/copy.hpp"

namespace normgrad::kernels {

void transpose_batch(std::size_t element_size, const std::byte* from, std::byte* to, std::int64_t n, std::int64_t rows,
                     std::int64_t columns) {
  CopyPlan plan;
  plan.push_back(n, rows * columns, rows * columns);
  plan.push_back(columns, 1, rows);
  plan.push_back(rows, columns, 1);
  strided_copy(plan, from, to, element_size);
}

}  // namespace normgrad::kernels
