// What a model's layers give, hold and cost.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/layers/module.hpp"

namespace normgrad {

/// One module. Parameters and operations of its children are theirs, so that the columns of a summary add up.
struct LayerSummary {
  std::string path;             ///< full name; "" for the model itself
  std::string type;             ///< such as "Conv2d"
  Shape output_shape;           ///< of its last call; without axes when has_output is false
  bool has_output = false;      ///< false for modules that were not called, or whose forward does not return one Tensor
  std::int64_t calls = 0;       ///< in one forward of the model
  std::int64_t parameters = 0;  ///< elements of its own parameters
  std::int64_t trainable = 0;   ///< of them, those that require gradients
  std::int64_t flops = 0;       ///< of one forward, all calls together
  std::int64_t bytes = 0;       ///< of its results, all calls together
};

/// What summary() found; printed as a table.
struct ModelSummary {
  Shape input_shape;                  ///< of the example
  std::vector<LayerSummary> layers;   ///< the model itself, then all below it, in the order of named_modules()
  std::int64_t parameters = 0;        ///< elements
  std::int64_t trainable = 0;         ///< elements that require gradients
  std::int64_t parameter_bytes = 0;   ///< of parameters and buffers
  std::int64_t flops = 0;             ///< of one forward, operations outside of modules included
  std::int64_t activation_bytes = 0;  ///< results of all operations: the most that a training forward keeps
};

/// Runs one forward on zeros of `input_shape` (batch axis included), in eval mode and unrecorded; modes and running
/// statistics stay as they are. `dtype` is the input's; left out, that of the model's first parameter.
///
/// FLOPs count a multiplication and an addition as two: 2 * in for an element of a linear layer's result, 2 * in /
/// groups * kernel for a convolution's (one more with a bias), 2 for one of a batch norm in eval mode, 8 for one of a
/// norm that takes statistics of its input (5 without a mean), 5 for a softmax, one for each element that a pooling or
/// reduction reads, one for each element of an elementwise result, none for moving elements.
///
/// Throws what the forward throws.
ModelSummary summary(Module& model, const Shape& input_shape, std::optional<DType> dtype = std::nullopt);

namespace detail {
ModelSummary summary_of_run(Module& model, const Shape& input_shape, const std::function<void()>& run);
}  // namespace detail

/// The same of one forward with these arguments: for models whose forward takes others than one tensor
/// (NORMGRAD_CALL_FORWARD), or values that matter, such as indices. input_shape is that of the first.
template <std::derived_from<Module> M, class... Args>
ModelSummary summary(M& model, const Tensor& first, const Args&... more) {
  return detail::summary_of_run(model, first.shape(), [&] { (void)model(first, more...); });
}

/// A table, one line for each layer, with the totals below.
std::ostream& operator<<(std::ostream& out, const ModelSummary& summary);
std::string to_string(const ModelSummary& summary);

}  // namespace normgrad
