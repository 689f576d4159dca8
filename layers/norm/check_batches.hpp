// Whether a model's batch norms can train on the batches that it will be given.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module.hpp"

namespace normgrad {

/// To be called before training: when the last batch of an epoch will hold one example and the model has batch norms,
/// logs a warning that names the first of them and says what to do, and returns its text; "" when all is well. A batch
/// norm over [N, C] throws at such a batch, at the end of the first epoch; one over images takes its statistics from
/// that one image.
std::string check_batches(Module& model, std::int64_t last_batch_size);

/// The same for a DataLoader: check_batches(net, batches).
template <class Loader>
requires requires(const Loader& loader) { loader.last_batch_size(); }
std::string check_batches(Module& model, const Loader& loader) {
  return check_batches(model, loader.last_batch_size());
}

}  // namespace normgrad
