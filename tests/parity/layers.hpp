// Layers from the parity cases' names and arguments.
#pragma once

#include <memory>
#include <string>

#include "normgrad/layers/module.hpp"

namespace normgrad::tests {

/// The layer `name` of torch.nn with PyTorch's keyword arguments as a JSON object, and those beyond PyTorch's that
/// tests/fixtures/parity_extra/generate.py names. Throws ValueError for a layer or an
/// argument that is not known.
std::unique_ptr<Module> make_layer(const std::string& name, const std::string& json_args, DType dtype);

}  // namespace normgrad::tests
