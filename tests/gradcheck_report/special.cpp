#include <limits>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/rounding.hpp"
#include "normgrad/core/ops/elementwise/special.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"

namespace normgrad::tests {

void add_special_functions(CaseList& list) {
  list.start_family("special functions");
  using Function = std::function<Tensor(const Tensor&)>;
  const auto between = [&](const std::string& name, double low, double high, const Function& f) {
    for (const Shape& shape : {Shape{2, 3}, Shape{}}) {
      list.add(name, [f](const Inputs& in) { return f(in[0]); }, {list.uniform(shape, low, high)});
    }
  };
  between("reciprocal", 0.5, 2.0, reciprocal);
  between("log1p", -0.5, 2.0, log1p);
  between("expm1", -2.0, 2.0, expm1);
  between("log2", 0.5, 3.0, log2);
  between("log10", 0.5, 3.0, log10);
  between("exp2", -2.0, 2.0, exp2);
  between("tan", -1.0, 1.0, tan);
  between("asin", -0.8, 0.8, asin);
  between("acos", -0.8, 0.8, acos);
  between("atan", -3.0, 3.0, atan);
  between("sinh", -2.0, 2.0, sinh);
  between("cosh", -2.0, 2.0, cosh);
  between("asinh", -3.0, 3.0, asinh);
  between("acosh", 1.5, 4.0, acosh);
  between("atanh", -0.7, 0.7, atanh);
  between("lgamma", 0.5, 4.0, lgamma);
  between("digamma", 0.5, 4.0, digamma);
  between("polygamma n=1", 0.5, 4.0, [](const Tensor& x) { return polygamma(1, x); });
  // Squared, so that the second order is not zero.
  between("floor", 0.2, 0.8, [](const Tensor& x) { return square(floor(x) + x); });
  between("ceil", 0.2, 0.8, [](const Tensor& x) { return square(ceil(x) + x); });
  between("trunc", 1.2, 1.8, [](const Tensor& x) { return square(trunc(x) + x); });
  between("round", 0.6, 1.4, [](const Tensor& x) { return square(round(x) + x); });
  between("frac", 1.2, 1.8, [](const Tensor& x) { return square(frac(x)); });
  const auto pair = [&](const std::string& name, auto f, const Tensor& a, const Tensor& b) {
    list.add(name, [f](const Inputs& in) { return f(in[0], in[1]); }, {a, b});
  };
  for (const Shape& shape : {Shape{2, 3}, Shape{3}, Shape{}}) {
    const auto a = [&] { return list.uniform({2, 3}, 5.2, 5.8); };
    pair(
        "fmod", [](const Tensor& u, const Tensor& v) { return square(fmod(u, v)); }, a(),
        list.uniform(shape, 2.1, 2.4));
    pair(
        "remainder", [](const Tensor& u, const Tensor& v) { return square(remainder(u, v)); }, a(),
        list.uniform(shape, -2.4, -2.1));
    pair(
        "atan2", [](const Tensor& u, const Tensor& v) { return atan2(u, v); }, list.away_from_zero({2, 3}),
        list.away_from_zero(shape));
    pair(
        "hypot", [](const Tensor& u, const Tensor& v) { return hypot(u, v); }, list.away_from_zero({2, 3}),
        list.away_from_zero(shape));
    for (const double weight : {0.3, 0.8}) {
      pair(
          "lerp weight=" + number(weight),
          [weight](const Tensor& u, const Tensor& v) { return square(lerp(u, v, weight)); }, list.normal({2, 3}),
          list.normal(shape));
    }
    const auto three = [&](const std::string& name, auto f, const Tensor& c) {
      list.add(name, [f](const Inputs& in) { return f(in[0], in[1], in[2]); },
               {list.normal({2, 3}), list.normal(shape), c});
    };
    three(
        "lerp tensor", [](const Tensor& u, const Tensor& v, const Tensor& w) { return lerp(u, v, w); },
        list.uniform({3}, -1.0, 0.4));
    three(
        "addcmul", [](const Tensor& u, const Tensor& v, const Tensor& w) { return square(addcmul(u, v, w, 0.5)); },
        list.normal({3}));
    three(
        "addcdiv", [](const Tensor& u, const Tensor& v, const Tensor& w) { return addcdiv(u, v, w, 0.5); },
        list.away_from_zero({3}));
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const bool keepdim : {false, true}) {
    const std::string suffix = keepdim ? " keepdim" : "";
    for (const Axes& axes : {Axes(), Axes(1), Axes({0, 2})}) {
      const std::string over = " axes=" + std::to_string(axes.list().size()) + suffix;
      const auto one = [&](const std::string& name, const Function& f, const Tensor& x) {
        list.add(name + over, [f](const Inputs& in) { return f(in[0]); }, {x});
      };
      one(
          "std", [=](const Tensor& x) { return std(x, axes, true, keepdim); }, list.normal({2, 3, 2}));
      one(
          "std_mean",
          [=](const Tensor& x) {
            const StdMean both = std_mean(x, axes, false, keepdim);
            return both.std * both.mean;
          },
          list.normal({2, 3, 2}));
      one(
          "var_mean",
          [=](const Tensor& x) {
            const VarMean both = var_mean(x, axes, false, keepdim);
            return both.var * both.mean;
          },
          list.normal({2, 3, 2}));
      for (const double p : {1.0, 2.0, 3.0, 1.5, 0.5, -1.0}) {
        one(
            "norm p=" + number(p), [=](const Tensor& x) { return square(norm(x, p, axes, keepdim)); },
            list.away_from_zero({2, 3, 2}));
      }
      one(
          "norm p=inf", [=](const Tensor& x) { return square(norm(x, kInfinity, axes, keepdim)); },
          list.distinct({2, 3, 2}));
    }
  }
}

}  // namespace normgrad::tests
