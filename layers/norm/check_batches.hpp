// Checks whether a model's batch norms can train on the given batch sizes.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Logs a warning if the last batch of an epoch has one example and the model has batch norms. Call it before training.
/// Returns the text of the warning, which names the first batch norm and a remedy, or "" if there is no problem. A
/// batch norm over [N, C] throws for such a batch, at the end of the first epoch; one over images computes its
/// statistics from a single image.
std::string check_batches(Module& model, std::int64_t last_batch_size);

/// As above, for a DataLoader: check_batches(net, batches).
template <class Loader>
requires requires(const Loader& loader) { loader.last_batch_size(); }
std::string check_batches(Module& model, const Loader& loader) {
  return check_batches(model, loader.last_batch_size());
}

}  // namespace normgrad
