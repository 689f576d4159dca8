// Descriptions of the inputs that norms accept.
#pragma once

#include <cstdint>
#include <string>

namespace normgrad::detail {

/// Returns "a 4-D input [N, 32, H, W]"; without the batch axis "a 3-D input [32, H, W]".
std::string input_text(std::int64_t rank, std::int64_t channels, bool batched = true);

}  // namespace normgrad::detail
