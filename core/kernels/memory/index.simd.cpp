#include "normgrad/core/kernels/memory/index.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

IndexRange range_of_indices(const std::int64_t* index, std::int64_t n, std::int64_t size) {
  // Differences whose sign is that of a wrong index. They wrap around, which keeps the sign.
  const auto width = static_cast<std::uint64_t>(size);
  std::uint64_t wrong = 0;
  std::uint64_t below = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::uint64_t>(index[i]);
    wrong |= (at + width) | (width - 1 - at);
    below |= at;
  }
  return {(wrong >> 63) == 0, (below >> 63) != 0};
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
