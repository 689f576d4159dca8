#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad::tests {

void add_indexing(CaseList& list) {
  list.start_family("indexing");
  // Squared, so that the second order is not zero.
  const auto one = [&](const std::string& name, const Shape& shape, const std::function<Tensor(const Tensor&)>& f) {
    list.add(name, [f](const Inputs& in) { return square(f(in[0])); }, {list.normal(shape)});
  };
  const auto two = [&](const std::string& name, const Shape& a, const Shape& b,
                       const std::function<Tensor(const Tensor&, const Tensor&)>& f) {
    list.add(name, [f](const Inputs& in) { return square(f(in[0], in[1])); }, {list.normal(a), list.normal(b)});
  };
  one("flip", {2, 3, 2}, [](const Tensor& x) { return flip(x, {0, 2}); });
  one("roll", {3, 4}, [](const Tensor& x) { return roll(x, {1, -1}, {0, 1}); });
  one("roll, flattened", {2, 3}, [](const Tensor& x) { return roll(x, {2}); });
  one("repeat", {2, 3}, [](const Tensor& x) { return repeat(x, {2, 1, 3}); });
  one("tile", {2, 3}, [](const Tensor& x) { return tile(x, {2}); });
  one("repeat_interleave", {2, 3}, [](const Tensor& x) { return repeat_interleave(x, 2, 1); });
  const Tensor times = list.indices({3}, 4);
  one("repeat_interleave by a tensor", {2, 3}, [=](const Tensor& x) { return repeat_interleave(x, times, 1); });
  one("chunk", {5, 2}, [](const Tensor& x) { return chunk(x, 3)[1]; });
  one("unbind", {2, 3}, [](const Tensor& x) { return unbind(x, 1)[0] * unbind(x, 1)[2]; });
  one("hstack", {2, 3}, [](const Tensor& x) { return hstack({x, square(x)}); });
  one("vstack", {3}, [](const Tensor& x) { return vstack({x, square(x)}); });
  one("unsqueeze several axes", {2, 3}, [](const Tensor& x) { return unsqueeze(x, {0, 3}); });

  const Tensor rows = list.indices({2, 2}, 3);
  const Tensor columns = list.indices({2}, 4);
  const Tensor mask = list.mask({2, 3});
  one("index positions and slices", {2, 3, 4}, [](const Tensor& x) { return index(x, {"...", 1, Slice(0, 3, 2)}); });
  one("index tensors", {2, 3, 4}, [=](const Tensor& x) { return index(x, {Slice(), rows, columns}); });
  one("index tensors apart", {4, 3, 4}, [=](const Tensor& x) {
    return index(x, {columns, None, Slice(1, 3), columns});
  });
  one("index mask", {2, 3, 2}, [=](const Tensor& x) { return index(x, {mask}); });
  two("index_put", {2, 3, 4}, {2, 2, 4}, [=](const Tensor& x, const Tensor& v) { return index_put(x, {1, rows}, v); });
  two("index_put accumulate", {2, 3, 4}, {4}, [=](const Tensor& x, const Tensor& v) {
    return index_put(x, {Slice(), rows}, v, true);
  });
  two("index_add", {3, 4}, {3, 2}, [=](const Tensor& x, const Tensor& v) { return index_add(x, 1, columns, v, 2); });
  const Tensor cells = list.indices({3, 2}, 4);
  one("take_along_dim", {4, 1}, [=](const Tensor& x) { return take_along_dim(x, cells, 0); });
  two("scatter", {4, 3}, {3, 2}, [=](const Tensor& x, const Tensor& v) { return scatter(x, 0, cells, v); });
  two("scatter_add to x", {4, 3}, {3, 3},
      [=](const Tensor& x, const Tensor& v) { return scatter_add(x, 0, cells, v); });
  for (const std::string reduce : {"sum", "prod", "mean", "amax", "amin"}) {
    for (const bool self : {true, false}) {
      two("scatter_reduce " + reduce + (self ? "" : " without self"), {4, 3}, {3, 2},
          [=](const Tensor& x, const Tensor& v) { return scatter_reduce(x, 0, cells, v, reduce, self); });
    }
  }
}

}  // namespace normgrad::tests
