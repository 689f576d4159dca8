#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad::tests {

namespace {

struct ShapePair {
  Shape a;
  Shape b;
};
// Equal shapes, a row, a column, both, a scalar, new axes, more than two axes.
const std::vector<ShapePair> kPairs = {{{2, 3}, {2, 3}},         {{2, 3}, {3}}, {{2, 3}, {2, 1}},
                                       {{2, 1}, {1, 3}},         {{}, {2, 3}},  {{2, 1, 3}, {4, 1}},
                                       {{2, 2, 2, 2}, {2, 1, 2}}};
const std::vector<Shape> kShapes = {{7}, {2, 3}, {2, 1, 3, 2}, {}};

using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Unary = Tensor (*)(const Tensor&);

}  // namespace

void add_arithmetic(CaseList& list) {
  list.start_family("arithmetic");
  const auto binary = [&](const std::string& name, Binary f, auto make_a, auto make_b) {
    for (const ShapePair& pair : kPairs) {
      list.add(name, [f](const Inputs& in) { return f(in[0], in[1]); }, {make_a(pair.a), make_b(pair.b)});
    }
  };
  const auto normal = [&](const Shape& s) { return list.normal(s); };
  const auto nonzero = [&](const Shape& s) { return list.away_from_zero(s); };
  const auto positive = [&](const Shape& s) { return list.uniform(s, 0.3, 2.0); };
  const auto above = [&](const Shape& s) { return list.uniform(s, 1.1, 2.0); };
  const auto below = [&](const Shape& s) { return list.uniform(s, -1.0, 1.0); };
  binary("add", &add, normal, normal);
  binary("sub", &sub, normal, normal);
  binary("mul", &mul, normal, normal);
  binary("div", &div, normal, nonzero);
  binary("pow", &pow, positive, normal);
  binary("maximum (first larger)", &maximum, above, below);
  binary("maximum (second larger)", &maximum, below, above);
  binary("minimum (first smaller)", &minimum, below, above);
  binary("minimum (second smaller)", &minimum, above, below);
  for (const Shape& b : {Shape{2, 3}, Shape{3}, Shape{2, 1}, Shape{}, Shape{4, 1, 1}}) {
    list.add("where", [c = list.mask({2, 3})](const Inputs& in) { return where(c, in[0], in[1]); },
             {list.normal({2, 3}), list.normal(b)});
  }
  const Shape shape = {2, 3};
  const auto one = [&](const std::string& name, TensorFunction f, const Tensor& x) {
    list.add(name, std::move(f), {x});
  };
  one(
      "add number", [](const Inputs& in) { return in[0] + 2.5; }, list.normal(shape));
  one(
      "mul number", [](const Inputs& in) { return -1.5 * in[0]; }, list.normal(shape));
  one(
      "number minus", [](const Inputs& in) { return 2.0 - in[0]; }, list.normal(shape));
  one(
      "number divided", [](const Inputs& in) { return 2.0 / in[0]; }, list.away_from_zero(shape));
  for (const double exponent : {2.0, 3.0, 0.5, -1.0, -2.5, 1.0, 0.0}) {
    one(
        "pow exponent=" + number(exponent), [exponent](const Inputs& in) { return pow(in[0], exponent); },
        list.uniform(shape, 0.3, 2.0));
  }
  one(
      "pow exponent=2, x of both signs", [](const Inputs& in) { return pow(in[0], 2.0); }, list.normal(shape));
  for (const double exponent : {2.0, 3.0, 4.0}) {
    Tensor x = list.normal(shape);
    x.mutable_data<double>()[1] = 0.0;
    one(
        "pow exponent=" + number(exponent) + ", an x of 0",
        [exponent](const Inputs& in) { return pow(in[0], exponent); }, x);
  }
  for (const auto& [low, high] : {std::pair{-0.1, 0.1}, {-5.0, 5.0}, {-5.0, 0.0}}) {
    one(
        "clamp to [" + number(low) + ", " + number(high) + "]",
        [low = low, high = high](const Inputs& in) { return clamp(in[0], low, high); }, list.away_from_zero(shape));
  }
  one(
      "clamp low only", [](const Inputs& in) { return clamp(in[0], 0.0, {}); }, list.away_from_zero(shape));
  one(
      "clamp high only", [](const Inputs& in) { return clamp(in[0], {}, 0.0); }, list.away_from_zero(shape));
  one(
      "to", [](const Inputs& in) { return to(in[0], kFloat64) * in[0]; }, list.normal(shape));
  for (const Shape& target : {Shape{3}, Shape{2, 1}, Shape{1, 1}, Shape{}, Shape{2, 3}}) {
    one(
        "sum_to " + to_string(target), [target](const Inputs& in) { return sum_to(in[0], target); },
        list.normal(shape));
  }
  one(
      "one tensor many times", [](const Inputs& in) { return in[0] * in[0] / (in[0] * in[0] + 1.0) - in[0]; },
      list.normal(shape));
}

void add_functions(CaseList& list) {
  list.start_family("functions");
  const auto unary = [&](const std::string& name, Unary f, auto make) {
    for (const Shape& shape : kShapes) {
      list.add(name, [f](const Inputs& in) { return f(in[0]); }, {make(shape)});
    }
  };
  const auto normal = [&](const Shape& s) { return list.normal(s); };
  const auto nonzero = [&](const Shape& s) { return list.away_from_zero(s); };
  const auto positive = [&](const Shape& s) { return list.uniform(s, 0.3, 3.0); };
  const auto wide = [&](const Shape& s) { return list.normal(s, 0.0, 4.0); };
  unary("neg", &neg, normal);
  unary("abs", &abs, nonzero);
  unary("sign", &sign, nonzero);
  unary("exp", &exp, normal);
  unary("log", &log, positive);
  unary("sqrt", &sqrt, positive);
  unary("rsqrt", &rsqrt, positive);
  unary("square", &square, normal);
  unary("sin", &sin, wide);
  unary("cos", &cos, wide);
  unary("erf", &erf, normal);
  unary("relu", &relu, nonzero);
  unary("selu", &selu, nonzero);
  unary("gelu", &gelu, normal);
  unary("silu", &silu, wide);
  unary("sigmoid", &sigmoid, wide);
  unary("tanh", &tanh, normal);
  for (const double slope : {0.01, 0.3}) {
    list.add("leaky_relu negative_slope=" + number(slope),
             [slope](const Inputs& in) { return leaky_relu(in[0], slope); }, {list.away_from_zero({2, 5})});
  }
  for (const double alpha : {1.0, 0.5}) {
    list.add("elu alpha=" + number(alpha), [alpha](const Inputs& in) { return elu(in[0], alpha); },
             {list.away_from_zero({2, 5})});
  }
  for (const double beta : {1.0, 3.0}) {
    list.add("softplus beta=" + number(beta), [beta](const Inputs& in) { return softplus(in[0], beta); },
             {list.normal({2, 5})});
  }
  list.add("softplus above threshold", [](const Inputs& in) { return softplus(in[0], 1.0, 2.0); },
           {list.uniform({2, 3}, 2.5, 5)});
  for (const double p : {0.0, 0.3, 0.8}) {
    list.add("dropout p=" + number(p),
             [p](const Inputs& in) {
               Generator generator(11);
               return dropout(in[0], p, true, &generator);
             },
             {list.normal({4, 5})});
  }
  list.add("dropout eval", [](const Inputs& in) { return dropout(in[0], 0.5, false); }, {list.normal({4, 5})});
}

}  // namespace normgrad::tests
