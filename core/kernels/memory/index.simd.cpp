#include "normgrad/core/kernels/memory/index.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

IndexRange range_of_indices(const std::int64_t* index, std::int64_t n, std::int64_t size) {
  // The sign of a difference is that of a wrong index; all are right in most cases.
  const auto width = static_cast<std::uint64_t>(size);
  std::uint64_t outside = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::uint64_t>(index[i]);
    outside |= at | (width - 1 - at);
  }
  if ((outside >> 63) == 0) {
    return {true, false};
  }
  // Differences whose sign is that of a wrong index. They wrap around, which keeps the sign.
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
