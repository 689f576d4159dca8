// The norms: ONNX's own where it has them, and composed of smaller operators otherwise.
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/detail/onnx_export.hpp"

namespace normgrad::detail {

namespace {

// The weight or bias, or a tensor of `value` in its place.
std::string parameter(const OnnxOp& op, std::size_t i, const Shape& shape, double value) {
  return op.has_input(i) ? op.in(i)
                         : op.constant(i == 1 ? "weight" : "bias", full(shape, value, {.dtype = op.dtype()}));
}

// (x - mean) / sqrt(var + eps) over the axes in which the view of x shares statistics, which every norm has.
std::string composed_norm(const OnnxOp& op) {
  const OnnxSizes view = op.integers("view");
  const OnnxSizes params = op.integers("params");
  const std::vector<std::int64_t> axes =
      view.size() == 4 ? std::vector<std::int64_t>{2, 3} : std::vector<std::int64_t>{0, 2};
  const auto mean = [&](const std::string& x) {
    return op.add("ReduceMean", {x}, {{"axes", axes}, {"keepdims", std::int64_t{1}}});
  };
  std::string y = op.reshape(op.in(0), view);
  if (op.integer("center") != 0) {
    y = op.add("Sub", {y, mean(y)});
  }
  const std::string variance = mean(op.add("Mul", {y, y}));
  y = op.add("Div", {y, op.add("Sqrt", {op.add("Add", {variance, op.constant(op.number("eps"))})})});
  if (op.has_input(1)) {
    y = op.add("Mul", {y, op.reshape(op.in(1), params)});
  }
  if (op.has_input(2)) {
    y = op.add("Add", {y, op.reshape(op.in(2), params)});
  }
  return op.reshape(y, op.sizes());
}

std::string batch_norm(const OnnxOp& op) {
  if (!op.has("running_mean")) {
    return composed_norm(op);
  }
  const Shape channels{op.input(0).size(1)};
  const auto statistic = [&](const char* name) {
    return op.constant(name, op.tensor(name).to(op.dtype()));  // running statistics are float64
  };
  return op.add("BatchNormalization",
                {op.in(0), parameter(op, 1, channels, 1.0), parameter(op, 2, channels, 0.0), statistic("running_mean"),
                 statistic("running_var")},
                {{"epsilon", op.number("eps")}});
}

std::string layer_norm(const OnnxOp& op) {
  const std::int64_t normalized = op.fixed("view", 2)[0] * op.fixed("view", 2)[1];
  const Shape& x = op.input(0).shape();
  Shape shape;  // the last axes, as many as are normalized together
  std::size_t axis = x.rank();
  while (axis > 0 && (axis == x.rank() || shape.numel() != normalized)) {
    shape.insert(0, x[--axis]);
  }
  if (op.has_input(1) || op.has_input(2)) {
    shape = op.input(op.has_input(1) ? 1 : 2).shape();
    axis = x.rank() - shape.rank();
  }
  return op.add("LayerNormalization", {op.in(0), parameter(op, 1, shape, 1.0), op.in(2)},
                {{"axis", static_cast<std::int64_t>(axis)}, {"epsilon", op.number("eps")}});
}

std::string instance_norm(const OnnxOp& op) {
  if (op.rank() < 3) {
    return composed_norm(op);
  }
  const Shape channels{op.input(0).size(1)};
  return op.add("InstanceNormalization", {op.in(0), parameter(op, 1, channels, 1.0), parameter(op, 2, channels, 0.0)},
                {{"epsilon", op.number("eps")}});
}

// ONNX's window of an even size begins one channel later than PyTorch's, so that one is composed.
std::string local_response_norm(const OnnxOp& op) {
  const std::int64_t size = op.integer("size");
  if (size % 2 == 1) {
    return op.add(
        "LRN", {op.in(0)},
        {{"size", size}, {"alpha", op.number("alpha")}, {"beta", op.number("beta")}, {"bias", op.number("k")}});
  }
  OnnxSizes pads(2 * op.rank());
  pads[1] = {size / 2, size / 2};
  pads[op.rank() + 1] = {(size - 1) / 2, (size - 1) / 2};
  const std::string squares = op.add("Mul", {op.in(0), op.in(0)});
  const std::string padded = op.add("Pad", {squares, op.shape(pads)});
  std::string sum;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::string part = op.add("Slice", {padded, op.axes({i}), op.axes({i + op.input(0).size(1)}), op.axes({1})});
    sum = i == 0 ? part : op.add("Add", {sum, part});
  }
  const std::string mean = op.add("Mul", {sum, op.constant(op.number("alpha") / static_cast<double>(size))});
  const std::string base = op.add("Add", {mean, op.constant(op.number("k"))});
  return op.add("Div", {op.in(0), op.add("Pow", {base, op.constant(op.number("beta"))})});
}

}  // namespace

void add_norm_converters(OnnxConverters& to) {
  to["batch_norm"] = batch_norm;
  to["layer_norm"] = layer_norm;
  to["instance_norm"] = instance_norm;
  to["group_norm"] = composed_norm;
  to["group_rms_norm"] = composed_norm;
  to["rms_norm"] = composed_norm;
  to["local_response_norm"] = local_response_norm;
}

}  // namespace normgrad::detail
