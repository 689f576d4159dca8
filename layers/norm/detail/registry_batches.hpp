// A part of the registry.
#pragma once

#include <vector>

#include "normgrad/layers/norm/registry.hpp"

namespace normgrad::detail {

/// The entries of norms of batches that PyTorch does not have.
std::vector<NormEntry> entries_of_batch_norms();

}  // namespace normgrad::detail
