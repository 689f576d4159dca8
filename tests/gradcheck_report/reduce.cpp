#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"

namespace normgrad::tests {

void add_reductions(CaseList& list) {
  list.start_family("reductions");
  const Shape shape = {2, 3, 4};
  struct Over {
    const char* name;
    Axes axes;
  };
  const std::vector<Over> overs = {{"all", {}}, {"axis 0", 0}, {"axis 1", 1}, {"axis -1", -1}, {"axes 0, 2", {0, 2}}};
  for (const Over& over : overs) {
    for (const bool keepdim : {false, true}) {
      const std::string suffix = std::string(" ") + over.name + (keepdim ? " keepdim" : "");
      const Axes axes = over.axes;
      const auto one = [&](const std::string& name, TensorFunction f, const Tensor& x) {
        list.add(name + suffix, std::move(f), {x});
      };
      one(
          "sum", [=](const Inputs& in) { return sum(in[0], axes, keepdim); }, list.normal(shape));
      one(
          "mean", [=](const Inputs& in) { return mean(in[0], axes, keepdim); }, list.normal(shape));
      one(
          "var", [=](const Inputs& in) { return var(in[0], axes, true, keepdim); }, list.normal(shape, 3.0, 0.2));
      one(
          "var biased", [=](const Inputs& in) { return var(in[0], axes, false, keepdim); }, list.normal(shape));
      one(
          "max", [=](const Inputs& in) { return max(in[0], axes, keepdim); }, list.distinct(shape));
      one(
          "min", [=](const Inputs& in) { return min(in[0], axes, keepdim); }, list.distinct(shape));
      one(
          "prod", [=](const Inputs& in) { return prod(in[0], axes, keepdim); }, list.away_from_zero({2, 3, 2}));
      one(
          "logsumexp", [=](const Inputs& in) { return logsumexp(in[0], axes, keepdim); }, list.normal(shape));
    }
  }
  for (const Shape& s : {Shape{5}, Shape{1}, Shape{3, 1, 2}}) {
    list.add("sum", [](const Inputs& in) { return sum(in[0]); }, {list.normal(s)});
    list.add("mean", [](const Inputs& in) { return mean(in[0]); }, {list.normal(s)});
  }
  list.add("prod with a zero", [](const Inputs& in) { return prod(in[0] * in[1], 1); },
           {list.normal({3, 4}), [&] {
              Tensor zeros = list.normal({3, 4});
              zeros.mutable_data<double>()[1] = 0.0;
              zeros.mutable_data<double>()[4] = 0.0;
              zeros.mutable_data<double>()[6] = 0.0;
              return zeros;
            }()});
  for (const std::int64_t axis : {0, 1, -1}) {
    const std::string suffix = " axis=" + std::to_string(axis);
    list.add("softmax" + suffix, [axis](const Inputs& in) { return softmax(in[0], axis); }, {list.normal(shape, 0, 2)});
    list.add("log_softmax" + suffix, [axis](const Inputs& in) { return log_softmax(in[0], axis); },
             {list.normal(shape, 0, 2)});
  }
  list.add("softmax shifted by 700", [](const Inputs& in) { return softmax(in[0], 1); }, {list.normal({2, 5}, 700, 1)});
  list.add("log_softmax shifted by 700", [](const Inputs& in) { return log_softmax(in[0], 1); },
           {list.normal({2, 5}, 700, 1)});
}

}  // namespace normgrad::tests
