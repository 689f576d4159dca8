#include "normgrad/core/ops/shape/shape.hpp"

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad::tests {

void add_shapes(CaseList& list) {
  list.start_family("shapes");
  const auto one = [&](const std::string& name, const Shape& shape, const std::function<Tensor(const Tensor&)>& f) {
    // Squared, so that the second order is not zero.
    list.add(name, [f](const Inputs& in) { return f(in[0]); }, {list.normal(shape)});
    list.add(name + ", squared", [f](const Inputs& in) { return square(f(in[0] * in[0])); }, {list.normal(shape)});
  };
  one("reshape", {2, 6}, [](const Tensor& x) { return reshape(x, {3, -1}); });
  one("reshape_to", {2, 6}, [](const Tensor& x) { return reshape_to(x, {2, 2, 3}); });
  one("flatten", {2, 3, 2}, [](const Tensor& x) { return flatten(x, 1); });
  one("squeeze", {2, 1, 3, 1}, [](const Tensor& x) { return squeeze(x); });
  one("unsqueeze", {2, 3}, [](const Tensor& x) { return unsqueeze(x, 1); });
  one("permute", {2, 3, 2}, [](const Tensor& x) { return permute(x, {2, 0, 1}); });
  one("permute 4-D", {2, 3, 2, 2}, [](const Tensor& x) { return permute(x, {0, 2, 3, 1}); });
  one("transpose", {2, 3, 2}, [](const Tensor& x) { return transpose(x, 0, -1); });
  one("expand", {2, 1, 3}, [](const Tensor& x) { return expand(x, {4, 2, 2, 3}); });
  one("expand_to", {1, 3}, [](const Tensor& x) { return expand_to(x, {2, 3}); });
  one("narrow", {4, 3}, [](const Tensor& x) { return narrow(x, 0, 1, 2); });
  one("slice", {7, 2}, [](const Tensor& x) { return slice(x, 0, 1, 6, 2); });
  one("slice open", {3, 5}, [](const Tensor& x) { return slice(x, 1, -3, {}); });
  one("select", {3, 4}, [](const Tensor& x) { return select(x, 1, 2); });
  one("slice_scatter", {4, 3}, [](const Tensor& x) { return slice_scatter(x, square(narrow(x, 0, 0, 2)), 0, 1, 3); });
  one("select_scatter", {3, 4}, [](const Tensor& x) { return select_scatter(x, square(select(x, 1, 0)), 1, 2); });
  one("clone", {2, 3}, [](const Tensor& x) { return clone(x); });
  one("pad", {2, 3}, [](const Tensor& x) { return pad(x, {1, 2, 0, 1}, 0.5); });
  one("split", {5, 2}, [](const Tensor& x) {
    const auto parts = split(x, 2, 0);
    return parts[0] * parts[1] + sum_to(parts[2], {1, 2});
  });
  one("split sizes", {2, 5}, [](const Tensor& x) {
    const auto parts = split(x, {1, 4}, 1);
    return parts[0] * parts[1];
  });
  one("index_select repeated", {4, 3}, [i = [&] {
        Tensor index = Tensor::empty({3}, kInt64);
        index.mutable_data<std::int64_t>()[0] = 2;
        index.mutable_data<std::int64_t>()[1] = 0;
        index.mutable_data<std::int64_t>()[2] = 2;
        return index;
      }()](const Tensor& x) { return index_select(x, 0, i); });
  for (const std::int64_t axis : {0, 1}) {
    const Shape index_shape = axis == 0 ? Shape{5, 3} : Shape{4, 2};
    const Tensor index = list.indices(index_shape, axis == 0 ? 4 : 3);
    one("gather axis=" + std::to_string(axis), {4, 3}, [=](const Tensor& x) { return gather(x, axis, index); });
    one("scatter_add axis=" + std::to_string(axis), index_shape, [=](const Tensor& x) {
      return scatter_add({4, 3}, axis, index, x);
    });
  }
  for (const std::int64_t axis : {0, 1, -1}) {
    const std::string suffix = " axis=" + std::to_string(axis);
    list.add("cat" + suffix,
             [axis](const Inputs& in) {
               return square(cat({in[0], in[1], in[0]}, axis));
             },
             {list.normal({2, 3}), list.normal(axis == 0 ? Shape{1, 3} : Shape{2, 2})});
    list.add("stack" + suffix,
             [axis](const Inputs& in) {
               return square(stack({in[0], in[1]}, axis));
             },
             {list.normal({2, 3}), list.normal({2, 3})});
  }
  const Tensor words = list.indices({2, 4}, 5);
  list.add("embedding", [words](const Inputs& in) { return square(embedding(words, in[0])); }, {list.normal({5, 3})});
  list.add("embedding padding_idx", [words](const Inputs& in) { return embedding(words, in[0]); },
           {list.normal({5, 3})});
}

}  // namespace normgrad::tests
