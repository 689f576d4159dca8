// Products, convolutions, pooling, softmax and attention as ONNX operators.
#include <algorithm>
#include <limits>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/io/detail/onnx_export.hpp"

namespace normgrad::detail {

namespace {

using Integers = std::vector<std::int64_t>;

std::string matmul(const OnnxOp& op) { return op.add("MatMul", {op.in(0), op.in(1)}); }

std::string linear(const OnnxOp& op) {
  if (op.input(0).shape().rank() == 2) {
    return op.add("Gemm", {op.in(0), op.in(1), op.in(2)}, {{"transB", std::int64_t{1}}});
  }
  const std::string weight = op.add("Transpose", {op.in(1)}, {{"perm", Integers{1, 0}}});
  const std::string product = op.add("MatMul", {op.in(0), weight});
  return op.has_input(2) ? op.add("Add", {product, op.in(2)}) : product;
}

std::string softmax(const OnnxOp& op) {
  return op.add(op.name() == "softmax" ? "Softmax" : "LogSoftmax", {op.in(0)}, {{"axis", op.integer("axis")}});
}

// The padding of each axis before and after.
Integers both_ends(const Integers& before, const Integers& after) {
  Integers pads = before;
  pads.insert(pads.end(), after.begin(), after.end());
  return pads;
}

std::string conv(const OnnxOp& op) {
  const std::size_t axes = op.rank() - 2;
  const Integers padding = op.fixed("padding", axes);
  return op.add("Conv", {op.in(0), op.in(1), op.in(2)},
                {{"kernel_shape", op.fixed("kernel", axes)},
                 {"strides", op.fixed("stride", axes)},
                 {"pads", both_ends(padding, padding)},
                 {"dilations", op.fixed("dilation", axes)},
                 {"group", op.integer("groups")}});
}

// Its arguments are those of the convolution whose input gradient it is.
std::string conv_transpose(const OnnxOp& op) {
  const std::size_t axes = op.rank() - 2;
  const Integers kernel = op.fixed("kernel", axes);
  const Integers stride = op.fixed("stride", axes);
  const Integers padding = op.fixed("padding", axes);
  const Integers dilation = op.fixed("dilation", axes);
  const Integers result = op.fixed("in", axes);
  const Integers from = op.fixed("out", axes);
  Integers extra;
  for (std::size_t i = 0; i < axes; ++i) {
    extra.push_back(result[i] - (stride[i] * (from[i] - 1) + dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i]));
  }
  return op.add("ConvTranspose", {op.in(0), op.in(1), op.in(2)},
                {{"kernel_shape", kernel},
                 {"strides", stride},
                 {"pads", both_ends(padding, padding)},
                 {"dilations", dilation},
                 {"output_padding", extra},
                 {"group", op.integer("groups")}});
}

// f(x) with a batch axis, which ONNX needs.
template <class F>
std::string with_batch(const OnnxOp& op, std::size_t axes, F f) {
  if (op.rank() == axes + 2) {
    return f(op.in(0));
  }
  const std::string y = f(op.add("Unsqueeze", {op.in(0), op.axes({0})}));
  return op.add("Squeeze", {y, op.axes({0})});
}

std::string adaptive_pool(const OnnxOp& op, std::size_t axes, bool is_max) {
  const Integers in = op.fixed("in", axes);
  const Integers out = op.fixed("out", axes);
  const std::string type = is_max ? "MaxPool" : "AveragePool";
  if (std::all_of(out.begin(), out.end(), [](std::int64_t size) { return size == 1; })) {
    return with_batch(op, axes, [&](const std::string& x) { return op.add("Global" + type, {x}); });
  }
  Integers window;
  for (std::size_t i = 0; i < axes; ++i) {
    if (in[i] % out[i] != 0) {
      op.fail("ONNX has windows of one size only: ", out[i], " results of ", in[i], " elements are of different ones");
    }
    window.push_back(in[i] / out[i]);
  }
  return with_batch(op, axes, [&](const std::string& x) {
    return op.add(type, {x}, {{"kernel_shape", window}, {"strides", window}});
  });
}

std::string pool(const OnnxOp& op) {
  const auto axes = static_cast<std::size_t>(op.name()[op.name().size() - 2] - '0');  // "max_pool2d"
  const bool is_max = op.name().find("max") != std::string::npos;
  if (!op.has("kernel")) {
    return adaptive_pool(op, axes, is_max);
  }
  const Integers kernel = op.fixed("kernel", axes);
  const Integers stride = op.fixed("stride", axes);
  const Integers padding = op.fixed("padding", axes);
  const Integers dilation = op.fixed("dilation", axes);
  const Integers in = op.fixed("in", axes);
  const Integers out = op.fixed("out", axes);
  Integers after;  // more than `padding` where ceil_mode adds a window
  bool is_padded = false;
  bool is_extended = false;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t reach = (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
    after.push_back(std::max(padding[i], reach - in[i] - padding[i]));
    is_padded = is_padded || padding[i] != 0;
    is_extended = is_extended || after[i] != padding[i];
  }
  OnnxAttributes attributes{{"kernel_shape", kernel}, {"strides", stride}, {"pads", both_ends(padding, after)}};
  double scale = 1.0;
  if (is_max) {
    attributes.emplace_back("dilations", dilation);
  } else {
    const std::int64_t divisor = op.integer("divisor");
    const bool counts_padding = divisor != 0 || (op.integer("count_include_pad") != 0 && is_padded);
    if (counts_padding && is_extended) {
      op.fail("ONNX has no average whose windows beyond the padding count their elements differently (ceil_mode)");
    }
    attributes.emplace_back("count_include_pad", std::int64_t{counts_padding ? 1 : 0});
    if (divisor != 0) {
      for (const std::int64_t size : kernel) {
        scale *= static_cast<double>(size);
      }
      scale /= static_cast<double>(divisor);
    }
  }
  return with_batch(op, axes, [&](const std::string& x) {
    const std::string y = op.add(is_max ? "MaxPool" : "AveragePool", {x}, attributes);
    return scale == 1.0 ? y : op.add("Mul", {y, op.constant(scale)});
  });
}

// softmax(scale query key^T + mask) value
std::string attention(const OnnxOp& op) {
  if (op.number("dropout") != 0.0) {
    op.fail("dropout of attention weights has no operation in ONNX");
  }
  const std::size_t rank = op.rank();
  std::string query = op.in(0);
  std::string key = op.in(1);
  std::string value = op.in(2);
  if (const std::int64_t group = op.integer("group"); group > 1) {  // each head of the key for `group` of the query
    const auto repeated = [&](const std::string& x, std::size_t i) {
      OnnxSizes sizes = op.input_sizes(i);
      sizes.insert(sizes.begin() + static_cast<std::ptrdiff_t>(rank) - 2, {1, 1});
      const std::string column = op.reshape(x, sizes);
      sizes[rank - 2] = {group, group};
      const std::string wide = op.add("Expand", {column, op.shape(sizes)});
      sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(rank) - 2);
      sizes[rank - 3] = {sizes[rank - 3].first * group, sizes[rank - 3].second * group};
      return op.reshape(wide, sizes);
    };
    key = repeated(key, 1);
    value = repeated(value, 2);
  }
  Integers order(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    order[i] = static_cast<std::int64_t>(i);
  }
  std::swap(order[rank - 1], order[rank - 2]);
  query = op.add("Mul", {query, op.constant(op.number("scale"))});
  std::string scores = op.add("MatMul", {query, op.add("Transpose", {key}, {{"perm", order}})});
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (op.integer("causal") != 0) {
    const OnnxSizes queries = op.input_sizes(0);
    const OnnxSizes keys = op.input_sizes(1);
    if (!queries[rank - 2].is_fixed() || !keys[rank - 2].is_fixed()) {
      op.fail("the length of a causal attention must not depend on the batch size");
    }
    const Tensor hidden =
        triu(full({queries[rank - 2].first, keys[rank - 2].first}, -kInfinity, {.dtype = op.dtype()}), 1);
    scores = op.add("Add", {scores, op.constant("causal_mask", hidden)});
  }
  if (op.has_input(3)) {
    scores = op.input(3).dtype() == kBool ? op.add("Where", {op.in(3), scores, op.constant(-kInfinity)})
                                          : op.add("Add", {scores, op.in(3)});
  }
  return op.add("MatMul", {op.add("Softmax", {scores}, {{"axis", std::int64_t{-1}}}), value});
}

}  // namespace

void add_network_converters(OnnxConverters& to) {
  to["matmul"] = matmul;
  to["linear"] = linear;
  to["softmax"] = softmax;
  to["log_softmax"] = softmax;
  to["scaled_dot_product_attention"] = attention;
  for (const char* axes : {"1d", "2d", "3d"}) {
    to[concat("conv", axes)] = conv;
    to[concat("conv_transpose", axes)] = conv_transpose;
    for (const char* kind : {"max_pool", "avg_pool", "lp_pool", "adaptive_max_pool", "adaptive_avg_pool"}) {
      to[concat(kind, axes)] = pool;
    }
  }
}

}  // namespace normgrad::detail
