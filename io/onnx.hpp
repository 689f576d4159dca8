// Writes models as ONNX files, opset 17: https://onnx.ai. ONNX Runtime and other programs run them without normgrad.
//
//   write_onnx("net.onnx", net, images);     // the operations of net(images), with a batch of any size
//
// The model runs twice and its operations are recorded: with the example, and with an input of other values and twice
// the batch. What differs in sizes is computed from the batch size in the file; what must not differ is checked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/file_path.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of write_onnx().
struct OnnxOptions {
  bool dynamic_batch = true;                   ///< the batch may have any size; otherwise that of the example
  std::int64_t batch_axis = 0;                 ///< the batch's axis of all inputs; 1 for sequences [L, N, features]
  std::vector<std::string> input_names = {};   ///< by default "input", or "input_0", "input_1", ...
  std::vector<std::string> output_names = {};  ///< by default "output", or "output_0", "output_1", ...
};

/// Writes the operations of `model(example_input)` in evaluation mode, with the parameters under the keys of
/// state_dict(). Modes of the model are restored. Parts that do not depend on the input (zeros, masks, positions,
/// weights that are computed from others) become constants. Choices that the forward makes by values or sizes are
/// written as they fall for the example.
///
/// Operators: BatchNormalization, LayerNormalization, InstanceNormalization and LRN; GroupNorm, RMSNorm and the other
/// norms composed of smaller ones; Conv, ConvTranspose, Gemm, MatMul, pooling, activations, Softmax, LSTM, GRU, RNN,
/// attention composed, elementwise functions, reductions, and everything that moves elements.
///
/// Throws ValueError, naming the operation and its module, for one that ONNX lacks; for an operand or a choice that
/// depends on the example's values without recorded operations (comparisons, argmax, random numbers), and for sizes
/// that are no multiple of the batch size; and for files beyond 2 GiB. Throws IoError if the file cannot be written; it
/// is written under a temporary name and renamed.
void write_onnx(const FilePath& path, Module& model, const Tensor& example_input, const OnnxOptions& options = {});

/// The same for any function of tensors. `names` are the names of tensors that it uses as constants.
void write_onnx(const FilePath& path,
                const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>& function,
                const std::vector<Tensor>& example_inputs, const OnnxOptions& options = {},
                const StateDict& names = {});

}  // namespace normgrad
