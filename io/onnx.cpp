#include "normgrad/io/onnx.hpp"

#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/io/detail/onnx_export.hpp"
#include "normgrad/io/detail/output_file.hpp"
#include "normgrad/layers/module/detail/eval_mode.hpp"

namespace normgrad {

namespace {

constexpr const char* kWriteOnnx = "write_onnx";
constexpr std::int64_t kOpset = 17;
constexpr std::uint64_t kMaxOnnxBytes = std::uint64_t{1} << 31;  // of a message of Protocol Buffers

std::vector<std::string> names_for(const char* what, std::size_t count, const std::vector<std::string>& given) {
  require<ValueError>(given.empty() || given.size() == count, kWriteOnnx, ": expected ", count, " names of ", what,
                      "s but got ", given.size());
  std::vector<std::string> names = given;
  for (std::size_t i = 0; i < count && given.empty(); ++i) {
    names.push_back(count == 1 ? what : detail::concat(what, "_", i));
  }
  return names;
}

// Values from all over the input, so that they differ from it at most places, and are valid where they are indices.
std::vector<Tensor> other_inputs(const std::vector<Tensor>& inputs, const OnnxOptions& options) {
  const NoGradGuard no_grad;
  std::vector<Tensor> others;
  for (const Tensor& input : inputs) {
    const Tensor reversed = reshape_to(flip(reshape_to(input, {input.numel()}), 0), input.shape());
    others.push_back(options.dynamic_batch ? cat({reversed, input}, options.batch_axis) : reversed);
  }
  return others;
}

}  // namespace

void write_onnx(const FilePath& path,
                const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>& function,
                const std::vector<Tensor>& example_inputs, const OnnxOptions& options, const StateDict& names) {
  const std::string where = std::string(kWriteOnnx) + ": '" + path.string() + "': ";
  require<ValueError>(!example_inputs.empty(), kWriteOnnx, ": expected an example of at least one input");
  for (const Tensor& input : example_inputs) {
    require<ValueError>(input.defined(), kWriteOnnx, ": expected example inputs but one is undefined");
    require<ShapeError>(!options.dynamic_batch || (options.batch_axis >= 0 && options.batch_axis < input.dim() &&
                                                   input.size(options.batch_axis) > 0),
                        kWriteOnnx, ": expected an input with a batch along axis ", options.batch_axis, " but got ",
                        input.shape(), "; {.dynamic_batch = false} writes a model for the sizes of the example");
    require<ShapeError>(
        !options.dynamic_batch || input.size(options.batch_axis) == example_inputs[0].size(options.batch_axis),
        kWriteOnnx, ": expected inputs of one batch size but got ", example_inputs[0].shape(), " and ", input.shape());
  }
  const auto input_names = names_for("input", example_inputs.size(), options.input_names);
  const detail::OnnxTraces traces{
      .first = detail::trace(function, example_inputs),
      .second = detail::trace(function, other_inputs(example_inputs, options)),
      .first_batch = options.dynamic_batch ? example_inputs[0].size(options.batch_axis) : 1,
      .second_batch = options.dynamic_batch ? 2 * example_inputs[0].size(options.batch_axis) : 1,
      .batch_axis = options.batch_axis};
  const auto output_names = names_for("output", traces.first.outputs.size(), options.output_names);
  const std::string bytes = detail::OnnxExport(traces, names).run(input_names, output_names).model("normgrad", kOpset);
  require<ValueError>(bytes.size() < kMaxOnnxBytes, kWriteOnnx, ": expected a model below ", kMaxOnnxBytes,
                      " bytes but it has ", bytes.size());
  detail::with_io_errors(where, [&] {
    detail::OutputFile file(kWriteOnnx, path);
    file.write(bytes);
    file.commit();
  });
}

void write_onnx(const FilePath& path, Module& model, const Tensor& example_input, const OnnxOptions& options) {
  const detail::EvalModeGuard eval(model);
  write_onnx(
      path, [&](const std::vector<Tensor>& inputs) { return std::vector<Tensor>{model(inputs[0])}; }, {example_input},
      options, model.state_dict());
}

}  // namespace normgrad
