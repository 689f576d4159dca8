// Operations that move elements, and reductions, as ONNX operators.
#include <algorithm>

#include "normgrad/io/detail/onnx_export.hpp"

namespace normgrad::detail {

namespace {

using Integers = std::vector<std::int64_t>;

std::string reshape(const OnnxOp& op) { return op.reshape(op.in(0), op.sizes()); }
std::string expand(const OnnxOp& op) { return op.add("Expand", {op.in(0), op.shape(op.sizes())}); }

std::string permute(const OnnxOp& op) {
  const Integers inverse = op.fixed("inverse", op.rank());
  Integers order(inverse.size());
  for (std::size_t axis = 0; axis < inverse.size(); ++axis) {
    order[static_cast<std::size_t>(inverse[axis])] = static_cast<std::int64_t>(axis);
  }
  return op.add("Transpose", {op.in(0)}, {{"perm", order}});
}

std::string cat(const OnnxOp& op) {
  OnnxNames in;
  for (std::size_t i = 0; i < op.num_inputs(); ++i) {
    in.push_back(op.in(i));
  }
  return op.add("Concat", in, {{"axis", op.integer("axis")}});
}

std::string flip(const OnnxOp& op) {
  const OnnxSizes reversed = op.integers("reversed");
  Integers axes;
  for (std::size_t i = 0; i < op.rank(); ++i) {
    if (reversed[i].first != 0) {
      axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  const auto all = [&](std::int64_t value) { return op.axes(Integers(axes.size(), value)); };
  return axes.empty() ? op.in(0) : op.add("Slice", {op.in(0), all(-1), all(INT64_MIN), op.axes(axes), all(-1)});
}

std::string index_select(const OnnxOp& op) {
  return op.add("Gather", {op.in(0), op.argument("index")}, {{"axis", op.integer("axis")}});
}
std::string gather(const OnnxOp& op) {
  return op.add("GatherElements", {op.in(0), op.argument("index")}, {{"axis", op.integer("axis")}});
}
// Its result has one axis for all indices.
std::string embedding(const OnnxOp& op) {
  const std::string flat = op.add("Reshape", {op.argument("index"), op.axes({-1})});
  return op.add("Gather", {op.in(0), flat}, {{"axis", std::int64_t{0}}});
}

std::string cumsum(const OnnxOp& op) {
  return op.add("CumSum", {op.in(0), op.axes({op.integer("axis")})}, {{"reverse", op.integer("reverse")}});
}

Integers reduced_axes(const OnnxOp& op) {
  const OnnxSizes reduced = op.integers("reduced");
  Integers axes;
  for (std::size_t i = 0; i < op.input(0).shape().rank(); ++i) {
    if (reduced[i].first != 0) {
      axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  return axes;
}

// `axes` is an attribute of all but ReduceSum until opset 18.
std::string reduced(const OnnxOp& op, const std::string& type, const std::string& x, bool keep) {
  const Integers axes = reduced_axes(op);
  const std::int64_t keepdims = keep ? 1 : 0;
  if (axes.empty()) {
    return op.add("Identity", {x});
  }
  return type == "ReduceSum" ? op.add(type, {x, op.axes(axes)}, {{"keepdims", keepdims}})
                             : op.add(type, {x}, {{"axes", axes}, {"keepdims", keepdims}});
}
bool keeps_axes(const OnnxOp& op) { return op.rank() == op.input(0).shape().rank(); }

std::string reduction(const OnnxOp& op) {
  const std::string& name = op.name();
  const char* type = name == "sum"    ? "ReduceSum"
                     : name == "mean" ? "ReduceMean"
                     : name == "max"  ? "ReduceMax"
                     : name == "min"  ? "ReduceMin"
                     : name == "prod" ? "ReduceProd"
                                      : "ReduceLogSumExp";
  return reduced(op, type, op.in(0), keeps_axes(op));
}

std::string variance(const OnnxOp& op) {
  const std::string centered = op.add("Sub", {op.in(0), reduced(op, "ReduceMean", op.in(0), true)});
  return op.add("Div", {reduced(op, "ReduceSumSquare", centered, keeps_axes(op)), op.constant(op.number("freedom"))});
}

std::string norm(const OnnxOp& op) {
  const double p = op.number("p");
  if (p != 1.0 && p != 2.0) {
    op.fail("ONNX has the norms of p = 1 and 2, not ", p);
  }
  return reduced(op, p == 1.0 ? "ReduceL1" : "ReduceL2", op.in(0), keeps_axes(op));
}

std::string arg_extreme(const OnnxOp& op) {
  const Integers axes = reduced_axes(op);
  const std::string type = op.name() == "argmax" ? "ArgMax" : "ArgMin";
  if (axes.size() == 1) {
    return op.add(type, {op.in(0)}, {{"axis", axes[0]}, {"keepdims", std::int64_t{keeps_axes(op) ? 1 : 0}}});
  }
  const std::string flat = op.add("Reshape", {op.in(0), op.axes({-1})});
  return op.reshape(op.add(type, {flat}, {{"axis", std::int64_t{0}}}), op.sizes());
}

std::string pad(const OnnxOp& op, const OnnxSizes& start) {
  const OnnxSizes step = op.integers("step");
  const OnnxSizes whole = op.sizes();
  const OnnxSizes part = op.input_sizes(0);
  OnnxSizes pads = start;
  for (std::size_t i = 0; i < op.rank(); ++i) {
    if (step[i].first != 1) {
      op.fail("ONNX has no operation that puts gaps between elements");
    }
    pads.push_back(
        {whole[i].first - part[i].first - start[i].first, whole[i].second - part[i].second - start[i].second});
  }
  return op.add("Pad", {op.in(0), op.shape(pads), op.constant(op.number("value"))});
}

}  // namespace

std::string convert_window(const OnnxOp& op) {
  OnnxSizes start = op.integers("start");
  start.resize(op.rank());
  if (!op.has("take")) {
    return pad(op, start);
  }
  const OnnxSizes step = op.integers("step");
  const OnnxSizes count = op.sizes();
  const OnnxSizes whole = op.input_sizes(0);
  if (const auto parts = op.graph().parts.find(op.operand(0).value); parts != op.graph().parts.end()) {
    OnnxSize reached;
    for (const OnnxExport::Part& part : parts->second) {
      if (start[0] == reached && count[0] == part.size) {
        return part.name;
      }
      reached = {reached.first + part.size.first, reached.second + part.size.second};
    }
  }
  OnnxSizes starts;
  OnnxSizes ends;
  OnnxSizes steps;
  Integers axes;
  for (std::size_t i = 0; i < op.rank(); ++i) {
    if (start[i] == OnnxSize{} && count[i] == whole[i] && step[i].first == 1) {
      continue;
    }
    const auto end = [](std::int64_t from, std::int64_t n, std::int64_t by) {
      return n == 0 ? from : from + (n - 1) * by + 1;
    };
    starts.push_back(start[i]);
    ends.push_back(
        {end(start[i].first, count[i].first, step[i].first), end(start[i].second, count[i].second, step[i].second)});
    steps.push_back(step[i]);
    axes.push_back(static_cast<std::int64_t>(i));
  }
  return axes.empty() ? op.in(0)
                      : op.add("Slice", {op.in(0), op.shape(starts), op.shape(ends), op.axes(axes), op.shape(steps)});
}

void add_shape_converters(OnnxConverters& to) {
  to["reshape"] = reshape;
  to["expand"] = expand;
  to["permute"] = permute;
  to["cat"] = cat;
  to["flip"] = flip;
  to["index_select"] = index_select;
  to["gather"] = gather;
  to["embedding"] = embedding;
  to["cumsum"] = cumsum;
  for (const char* name : {"sum", "mean", "max", "min", "prod", "logsumexp"}) {
    to[name] = reduction;
  }
  to["var"] = variance;
  to["norm"] = norm;
  to["argmax"] = arg_extreme;
  to["argmin"] = arg_extreme;
}

}  // namespace normgrad::detail
