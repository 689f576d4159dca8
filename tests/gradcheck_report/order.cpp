#include "normgrad/core/ops/order/order.hpp"
#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/logic/mask.hpp"
#include "normgrad/core/ops/order/scan.hpp"
#include "normgrad/core/ops/order/search.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"

namespace normgrad::tests {

void add_order(CaseList& list) {
  list.start_family("order and masks");
  using Function = std::function<Tensor(const Tensor&)>;
  // Squared, so that the second order is not zero.
  const auto one = [&](const std::string& name, const Tensor& x, const Function& f) {
    list.add(name, [f](const Inputs& in) { return square(f(in[0])); }, {x});
  };
  for (const std::int64_t axis : {0, 1}) {
    const std::string suffix = " axis=" + std::to_string(axis);
    const auto of = [&](const std::string& name, const Function& f) { one(name + suffix, list.distinct({4, 5}), f); };
    of("sort", [axis](const Tensor& x) { return sort(x, axis).values; });
    of("sort descending", [axis](const Tensor& x) { return sort(x, axis, true).values; });
    of("topk", [axis](const Tensor& x) { return topk(x, 3, axis).values; });
    of("kthvalue", [axis](const Tensor& x) { return kthvalue(x, 2, axis).values; });
    of("median", [axis](const Tensor& x) { return median(x, axis, true).values; });
    of("max_with_indices", [axis](const Tensor& x) { return max_with_indices(x, axis).values; });
    of("min_with_indices", [axis](const Tensor& x) { return min_with_indices(x, axis).values; });
    of("cummax", [axis](const Tensor& x) { return cummax(x, axis).values; });
    of("cummin", [axis](const Tensor& x) { return cummin(x, axis).values; });
    const auto smooth = [&](const std::string& name, const Function& f) { one(name + suffix, list.normal({3, 4}), f); };
    smooth("cumsum", [axis](const Tensor& x) { return cumsum(x, axis); });
    smooth("cumprod", [axis](const Tensor& x) { return cumprod(x, axis); });
    smooth("logcumsumexp", [axis](const Tensor& x) { return logcumsumexp(x, axis); });
  }
  one("median of all", list.distinct({3, 4}), [](const Tensor& x) { return median(x); });
  one("unique", list.distinct({3, 4}), [](const Tensor& x) { return unique(x).values; });
  const Tensor mask = list.mask({3, 4});
  one("masked_fill", list.normal({3, 4}), [mask](const Tensor& x) { return masked_fill(x, mask, 2.0); });
  list.add("masked_fill tensor", [mask](const Inputs& in) { return square(masked_fill(in[0], mask, in[1])); },
           {list.normal({3, 4}), list.normal({})});
  one("masked_select", list.normal({4}), [mask](const Tensor& x) { return masked_select(x, mask); });
  one("where number", list.normal({3, 4}),
      [mask](const Tensor& x) { return where(mask, x, 2.0) + where(mask, 1.0, x); });
  one("mul mask", list.normal({3, 4}), [mask](const Tensor& x) { return mask * x; });
  for (const std::int64_t diagonal_number : {-1, 0, 2}) {
    const std::string suffix = " diagonal=" + std::to_string(diagonal_number);
    one("tril" + suffix, list.normal({2, 3, 4}), [=](const Tensor& x) { return tril(x, diagonal_number); });
    one("triu" + suffix, list.normal({2, 3, 4}), [=](const Tensor& x) { return triu(x, diagonal_number); });
    one("diagonal" + suffix, list.normal({2, 3, 4}),
        [=](const Tensor& x) { return diagonal(x, diagonal_number, -2, -1); });
    one("diag vector" + suffix, list.normal({3}), [=](const Tensor& x) { return diag(x, diagonal_number); });
    one("diag matrix" + suffix, list.normal({3, 4}), [=](const Tensor& x) { return diag(x, diagonal_number); });
  }
  list.add("meshgrid",
           [](const Inputs& in) {
             const std::vector<Tensor> grids = meshgrid(in);
             return grids[0] * square(grids[1]);
           },
           {list.normal({3}), list.normal({2})});
}

}  // namespace normgrad::tests
