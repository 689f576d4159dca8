// Activation checkpointing of a chain of modules.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/checkpoint.hpp"
#include "normgrad/layers/container/sequential.hpp"

namespace normgrad {

/// Returns model(x), computed in `segments` parts of equally many modules, of which all but the last one, which has the
/// rest, are checkpoints: see checkpoint(). The model must live until the backward. Throws ValueError unless there are
/// 1 to model.size() segments.
Tensor checkpoint_sequential(Sequential& model, std::int64_t segments, const Tensor& x, RecomputeOptions options = {});

}  // namespace normgrad
