#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/gated.hpp"
#include "normgrad/core/ops/elementwise/piecewise.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/matmul/einsum.hpp"
#include "normgrad/core/ops/matmul/products.hpp"
#include "normgrad/core/ops/reduction/distance.hpp"

namespace normgrad::tests {

void add_activations(CaseList& list) {
  list.start_family("activations");
  using Function = std::function<Tensor(const Tensor&)>;
  const auto one = [&](const std::string& name, const Tensor& x, const Function& f) {
    list.add(name, [f](const Inputs& in) { return f(in[0]); }, {x});
  };
  // Squared, so that the second order is not zero; away from joints.
  const auto pieces = [&](const std::string& name, double low, double high, const Function& f) {
    one(name, list.uniform({2, 3}, low, high), [f](const Tensor& x) { return square(f(x)); });
  };
  pieces("hardtanh", -0.9, 0.9, [](const Tensor& x) { return hardtanh(x); });
  pieces("hardtanh below", -2.0, -1.1, [](const Tensor& x) { return hardtanh(x) * x; });
  pieces("relu6", 0.1, 5.9, relu6);
  pieces("hardsigmoid", -2.9, 2.9, hardsigmoid);
  pieces("hardswish", -2.9, 2.9, hardswish);
  pieces("hardswish above", 3.1, 5.0, hardswish);
  pieces("hardshrink", 0.6, 2.0, [](const Tensor& x) { return hardshrink(x); });
  pieces("softshrink", -2.0, -0.6, [](const Tensor& x) { return softshrink(x); });
  pieces("threshold", 0.2, 2.0, [](const Tensor& x) { return threshold(x, 0.1, 3.0); });
  pieces("rrelu", -2.0, -0.2, [](const Tensor& x) { return rrelu(x); });
  pieces("rrelu training", -2.0, -0.2, [](const Tensor& x) {
    Generator generator(3);
    return rrelu(x, 0.1, 0.3, true, &generator);
  });
  for (const Shape& shape : {Shape{2, 3, 2}, Shape{2, 3}, Shape{3}}) {
    for (const std::int64_t n : {1, 3}) {
      list.add("prelu weight=" + std::to_string(n), [](const Inputs& in) { return prelu(in[0], in[1]); },
               {list.away_from_zero(shape), list.normal({n})});
    }
  }
  one("mish", list.normal({2, 5}), mish);
  one("celu", list.away_from_zero({2, 5}), [](const Tensor& x) { return celu(x, 0.7); });
  one("logsigmoid", list.normal({2, 5}, 0, 4), logsigmoid);
  one("softsign", list.away_from_zero({2, 5}), softsign);
  one("tanhshrink", list.normal({2, 5}), tanhshrink);
  for (const std::int64_t axis : {0, 1}) {
    const std::string suffix = " axis=" + std::to_string(axis);
    one("softmin" + suffix, list.normal({3, 4}), [axis](const Tensor& x) { return softmin(x, axis); });
    one("glu" + suffix, list.normal({2, 4}), [axis](const Tensor& x) { return glu(x, axis); });
    one("swiglu" + suffix, list.normal({2, 4}), [axis](const Tensor& x) { return swiglu(x, axis); });
    one("geglu" + suffix, list.normal({2, 4}), [axis](const Tensor& x) { return geglu(x, axis); });
  }
}

void add_sums_of_products(CaseList& list) {
  list.start_family("sums of products");
  const auto einsum_of = [&](const std::string& equation, const std::vector<Shape>& shapes) {
    Inputs inputs;
    for (const Shape& shape : shapes) {
      inputs.push_back(list.normal(shape));
    }
    list.add(
        "einsum " + equation, [equation](const Inputs& in) { return square(einsum(equation, in)); }, inputs);
  };
  einsum_of("ij,jk->ik", {{2, 3}, {3, 2}});
  einsum_of("bij,bkj->bik", {{2, 2, 3}, {2, 2, 3}});
  einsum_of("i,j->ij", {{2}, {3}});
  einsum_of("i,i->i", {{3}, {3}});
  einsum_of("ij,ij->i", {{2, 3}, {2, 3}});
  einsum_of("ii", {{3, 3}});
  einsum_of("iij->ji", {{2, 2, 3}});
  einsum_of("...ij,jk", {{2, 2, 3}, {3, 2}});
  einsum_of("ij,ij->j", {{1, 3}, {2, 3}});
  einsum_of("i,j,ijk->k", {{2}, {3}, {2, 3, 2}});
  const auto two = [&](const std::string& name, auto f, const Shape& a, const Shape& b) {
    list.add(name, [f](const Inputs& in) { return f(in[0], in[1]); }, {list.normal(a), list.normal(b)});
  };
  two("mm", mm, {2, 3}, {3, 2});
  two("mv", mv, {2, 3}, {3});
  two("bmm", bmm, {2, 2, 3}, {2, 3, 2});
  two("dot", dot, {4}, {4});
  two("outer", outer, {3}, {2});
  two("cross", [](const Tensor& a, const Tensor& b) { return cross(a, b); }, {2, 3}, {3});
  for (const Shape& x : {Shape{2, 2}, Shape{2}, Shape{}}) {
    list.add("addmm", [](const Inputs& in) { return addmm(in[0], in[1], in[2], 0.5, 2.0); },
             {list.normal(x), list.normal({2, 3}), list.normal({3, 2})});
    list.add("baddbmm", [](const Inputs& in) { return baddbmm(in[0], in[1], in[2], 0.5, 2.0); },
             {list.normal(x), list.normal({2, 2, 3}), list.normal({2, 3, 2})});
  }
  for (const double p : {1.0, 2.0, 3.0}) {
    const std::string suffix = " p=" + number(p);
    list.add("normalize" + suffix, [p](const Inputs& in) { return normalize(in[0], p); },
             {list.away_from_zero({2, 3})});
    two("pairwise_distance" + suffix,
        [p](const Tensor& a, const Tensor& b) { return square(pairwise_distance(a, b, p)); }, {2, 3}, {3});
    two("cdist" + suffix, [p](const Tensor& a, const Tensor& b) { return square(cdist(a, b, p)); }, {2, 3}, {3, 3});
  }
  two("cosine_similarity", [](const Tensor& a, const Tensor& b) { return cosine_similarity(a, b); }, {2, 3}, {2, 3});
}

}  // namespace normgrad::tests
