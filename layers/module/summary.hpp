// A model's output shapes, parameters and cost by layer.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// One module. Parameters and operations of its children are not included, so the columns of a summary add up.
struct LayerSummary {
  std::string path;             ///< full name; "" for the model itself
  std::string type;             ///< such as "Conv2d"
  Shape output_shape;           ///< of the last call; without axes if has_output is false
  bool has_output = false;      ///< false for modules that were not called or whose forward does not return one Tensor
  std::int64_t calls = 0;       ///< in one forward of the model
  std::int64_t parameters = 0;  ///< elements of its own parameters
  std::int64_t trainable = 0;   ///< those of them that require gradients
  std::int64_t flops = 0;       ///< of one forward, over all calls
  std::int64_t bytes = 0;       ///< of its results, over all calls
};

/// The result of summary(); prints as a table.
struct ModelSummary {
  Shape input_shape;                  ///< shape of the input
  std::vector<LayerSummary> layers;   ///< the model itself, then all modules below it, in the order of named_modules()
  std::int64_t parameters = 0;        ///< elements
  std::int64_t trainable = 0;         ///< elements that require gradients
  std::int64_t parameter_bytes = 0;   ///< of parameters and buffers
  std::int64_t flops = 0;             ///< of one forward, including operations outside modules
  std::int64_t activation_bytes = 0;  ///< results of all operations: an upper bound on what a training forward keeps
};

/// Runs one forward on zeros of `input_shape` (with the batch axis), in eval mode and unrecorded. Modes and running
/// statistics are unchanged. `dtype` is the input's; it defaults to that of the model's first parameter.
///
/// A multiplication and an addition count as two FLOPs. An element of a linear layer's result costs 2 * in, one of a
/// convolution's 2 * in / groups * kernel (one more with a bias). The cost is 2 per element of a batch norm in eval
/// mode, 8 of a norm that computes statistics of its input (5 without a mean), 5 of a softmax, one per element that a
/// pooling or reduction reads, one per output element of an elementwise operation, and none for moving elements.
///
/// Throws the errors that forward throws.
ModelSummary summary(Module& model, const Shape& input_shape, std::optional<DType> dtype = std::nullopt);

namespace detail {
ModelSummary summary_of_run(Module& model, const Shape& input_shape, const std::function<void()>& run);
}  // namespace detail

/// As above, for one forward with these arguments: for models whose forward takes other arguments than one tensor
/// (NORMGRAD_CALL_FORWARD), or inputs whose values matter, such as indices. input_shape is that of the first argument.
template <std::derived_from<Module> M, class... Args>
ModelSummary summary(M& model, const Tensor& first, const Args&... more) {
  return detail::summary_of_run(model, first.shape(), [&] { (void)model(first, more...); });
}

/// Prints a table with one line per layer, followed by the totals.
std::ostream& operator<<(std::ostream& out, const ModelSummary& summary);
std::string to_string(const ModelSummary& summary);

}  // namespace normgrad
