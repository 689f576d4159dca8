// Operations on single elements, as ONNX operators.
#include <array>
#include <cmath>
#include <utility>

#include "normgrad/io/detail/onnx_export.hpp"

namespace normgrad::detail {

namespace {

// Names with one operator of the same meaning.
constexpr std::array<std::pair<const char*, const char*>, 25> kSameUnary = {
    {{"neg", "Neg"},     {"abs", "Abs"},     {"exp", "Exp"},   {"log", "Log"},         {"sqrt", "Sqrt"},
     {"sin", "Sin"},     {"cos", "Cos"},     {"tan", "Tan"},   {"asin", "Asin"},       {"acos", "Acos"},
     {"atan", "Atan"},   {"sinh", "Sinh"},   {"cosh", "Cosh"}, {"asinh", "Asinh"},     {"acosh", "Acosh"},
     {"atanh", "Atanh"}, {"erf", "Erf"},     {"relu", "Relu"}, {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"},
     {"sign", "Sign"},   {"floor", "Floor"}, {"ceil", "Ceil"}, {"round", "Round"},     {"clone", "Identity"}}};
constexpr std::array<std::pair<const char*, const char*>, 6> kSameBinary = {
    {{"add", "Add"}, {"sub", "Sub"}, {"mul", "Mul"}, {"div", "Div"}, {"maximum", "Max"}, {"minimum", "Min"}}};

template <std::size_t N>
const char* type_of(const std::array<std::pair<const char*, const char*>, N>& table, const std::string& name) {
  for (const auto& [own, type] : table) {
    if (name == own) {
      return type;
    }
  }
  return nullptr;
}

std::string unary(const OnnxOp& op) { return op.add(type_of(kSameUnary, op.name()), {op.in(0)}); }

std::string binary(const OnnxOp& op) {
  const char* type = type_of(kSameBinary, op.name());
  if (!op.has("number")) {
    return op.add(type, {op.in(0), op.in(1)});
  }
  const std::string number = op.constant(op.number("number"));
  return op.has("reversed") ? op.add(type, {number, op.in(0)}) : op.add(type, {op.in(0), number});
}

std::string power(const OnnxOp& op) {
  return op.add("Pow", {op.in(0), op.has("exponent") ? op.constant(op.number("exponent")) : op.in(1)});
}

std::string square(const OnnxOp& op) { return op.add("Mul", {op.in(0), op.in(0)}); }
std::string rsqrt(const OnnxOp& op) { return op.add("Reciprocal", {op.add("Sqrt", {op.in(0)})}); }
std::string log1p(const OnnxOp& op) { return op.add("Log", {op.add("Add", {op.in(0), op.constant(1.0)})}); }
std::string expm1(const OnnxOp& op) { return op.add("Sub", {op.add("Exp", {op.in(0)}), op.constant(1.0)}); }
std::string silu(const OnnxOp& op) { return op.add("Mul", {op.in(0), op.add("Sigmoid", {op.in(0)})}); }

std::string log_sigmoid(const OnnxOp& op) { return op.add("Neg", {op.add("Softplus", {op.add("Neg", {op.in(0)})})}); }

std::string softplus(const OnnxOp& op) {
  const double beta = op.number("beta");
  if (beta == 1.0) {
    return op.add("Softplus", {op.in(0)});
  }
  const std::string scaled = op.add("Mul", {op.in(0), op.constant(beta)});
  return op.add("Div", {op.add("Softplus", {scaled}), op.constant(beta)});
}

// x / 2 (1 + erf(x / sqrt(2)))
std::string gelu(const OnnxOp& op) {
  const std::string scaled = op.add("Mul", {op.in(0), op.constant(std::sqrt(0.5))});
  const std::string twice = op.add("Add", {op.add("Erf", {scaled}), op.constant(1.0)});
  return op.add("Mul", {op.add("Mul", {op.in(0), twice}), op.constant(0.5)});
}

std::string elu(const OnnxOp& op) { return op.add("Elu", {op.in(0)}, {{"alpha", op.number("alpha")}}); }
std::string selu(const OnnxOp& op) {
  return op.add("Selu", {op.in(0)}, {{"alpha", op.number("alpha")}, {"gamma", op.number("scale")}});
}
std::string leaky_relu(const OnnxOp& op) {
  return op.add("LeakyRelu", {op.in(0)}, {{"alpha", op.number("negative_slope")}});
}

std::string clamp(const OnnxOp& op) {
  const auto limit = [&](const char* name) {
    return std::isinf(op.number(name)) ? std::string() : op.constant(op.number(name));
  };
  return op.add("Clip", {op.in(0), limit("low"), limit("high")});
}

std::string where(const OnnxOp& op) { return op.add("Where", {op.argument("condition"), op.in(0), op.in(1)}); }

// The result of a comparison is bool; its number has the dtype of x.
std::string comparison(const OnnxOp& op) {
  const std::string& name = op.name();
  const std::string other =
      op.has("number") ? op.graph().graph().number(op.number("number"), op.input(0).dtype()) : op.in(1);
  if (name == "eq" || name == "ne") {
    const std::string equal = op.add("Equal", {op.in(0), other});
    return name == "eq" ? equal : op.add("Not", {equal});
  }
  const char* type = name == "lt" ? "Less" : name == "le" ? "LessOrEqual" : name == "gt" ? "Greater" : "GreaterOrEqual";
  return op.add(type, {op.in(0), other});
}

// The second operand of "logical_and" and "logical_or" is negated.
std::string logical(const OnnxOp& op) {
  if (op.name() == "logical_xor") {
    return op.add("Xor", {op.in(0), op.in(1)});
  }
  return op.add(op.name() == "logical_and" ? "And" : "Or", {op.in(0), op.add("Not", {op.in(1)})});
}

std::string truncated(const OnnxOp& op) {
  return op.add("Mul", {op.add("Sign", {op.in(0)}), op.add("Floor", {op.add("Abs", {op.in(0)})})});
}

std::string cast(const OnnxOp& op) { return op.add("Cast", {op.in(0)}, {{"to", OnnxGraph::type_of(op.dtype())}}); }

}  // namespace

void add_elementwise_converters(OnnxConverters& to) {
  for (const auto& [name, type] : kSameUnary) {
    to[name] = unary;
  }
  for (const auto& [name, type] : kSameBinary) {
    to[name] = binary;
  }
  for (const char* name : {"eq", "ne", "lt", "le", "gt", "ge"}) {
    to[name] = comparison;
  }
  for (const char* name : {"logical_and", "logical_or", "logical_xor"}) {
    to[name] = logical;
  }
  to["trunc"] = truncated;
  to["pow"] = power;
  to["square"] = square;
  to["rsqrt"] = rsqrt;
  to["log1p"] = log1p;
  to["expm1"] = expm1;
  to["silu"] = silu;
  to["logsigmoid"] = log_sigmoid;
  to["log_sigmoid"] = log_sigmoid;
  to["softplus"] = softplus;
  to["gelu"] = gelu;
  to["elu"] = elu;
  to["selu"] = selu;
  to["leaky_relu"] = leaky_relu;
  to["clamp"] = clamp;
  to["hardtanh"] = clamp;
  to["where"] = where;
  to["to"] = cast;
}

}  // namespace normgrad::detail
