#include "normgrad/layers/norm/shape_text.hpp"

#include <array>

namespace normgrad::detail {

std::string input_text(std::int64_t rank, std::int64_t channels, bool batched) {
  static constexpr std::array<const char*, 4> kPositions = {"", ", L", ", H, W", ", D, H, W"};
  const std::int64_t spatial = rank - (batched ? 2 : 1);
  return "a " + std::to_string(rank) + "-D input [" + (batched ? "N, " : "") + std::to_string(channels) +
         kPositions.at(static_cast<std::size_t>(spatial)) + "]";
}

}  // namespace normgrad::detail
