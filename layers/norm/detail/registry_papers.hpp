// The norms of the registry that PyTorch does not have, each from one paper.
#pragma once

#include <vector>

#include "normgrad/layers/norm/registry.hpp"

namespace normgrad::detail {

/// Entries for norm_registry(), in the order of its table.
std::vector<NormEntry> entries_of_papers();

}  // namespace normgrad::detail
