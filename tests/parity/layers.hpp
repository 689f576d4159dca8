// Layers from the names and arguments of the parity cases.
#pragma once

#include <memory>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad::tests {

/// Makes the layer `name` of torch.nn, with PyTorch's keyword arguments as a JSON object, and additional ones listed in
/// tests/fixtures/parity_extra/generate.py. Throws ValueError for an unknown layer or argument.
std::unique_ptr<Module> make_layer(const std::string& name, const std::string& json_args, DType dtype);

}  // namespace normgrad::tests
