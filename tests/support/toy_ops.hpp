// A few operations on equal float64 shapes, to test the engine independently of the library's own operations.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "normgrad/core/autograd/record.hpp"

namespace normgrad::tests {

inline Tensor values(const std::vector<double>& v, const Shape& shape) {
  Tensor x = Tensor::empty(shape, kFloat64);
  double* to = x.mutable_data<double>();
  for (std::size_t i = 0; i < v.size(); ++i) {
    to[i] = v[i];
  }
  return x;
}
inline Tensor values(const std::vector<double>& v) { return values(v, {static_cast<std::int64_t>(v.size())}); }
inline Tensor leaf(const std::vector<double>& v) { return values(v).requires_grad_(); }

inline Tensor map(const Tensor& x, const std::function<double(double)>& f) {
  Tensor y = Tensor::empty(x.shape(), kFloat64);
  const double* from = x.data<double>();
  double* to = y.mutable_data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    to[i] = f(from[i]);
  }
  return y;
}
inline Tensor map(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f) {
  Tensor y = Tensor::empty(a.shape(), kFloat64);
  const double* pa = a.data<double>();
  const double* pb = b.data<double>();
  double* to = y.mutable_data<double>();
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    to[i] = f(pa[i], pb[i]);
  }
  return y;
}

inline Tensor add(const Tensor& a, const Tensor& b) {
  return record("toy_add", map(a, b, std::plus<double>()), {a, b}, [](const Tensor& gy, GradSink& into) {
    into.add(0, gy);
    into.add(1, gy);
  });
}

inline Tensor mul(const Tensor& a, const Tensor& b) {
  return record("toy_mul", map(a, b, std::multiplies<double>()), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& gy, GradSink& into) {
                  if (into.wants(0)) {
                    into.add(0, mul(gy, b.get()));
                  }
                  if (into.wants(1)) {
                    into.add(1, mul(gy, a.get()));
                  }
                });
}

inline Tensor scale(const Tensor& x, double factor) {
  return record("toy_scale", map(x, [factor](double v) { return factor * v; }), {x},
                [factor](const Tensor& gy, GradSink& into) { into.add(0, scale(gy, factor)); });
}

/// Saves its own result.
inline Tensor exp(const Tensor& x) {
  Tensor y = map(x, [](double v) { return std::exp(v); });
  SavedOutput out(y);
  return record("toy_exp", y, {x}, [out](const Tensor& gy, GradSink& into) { into.add(0, mul(gy, out.get())); });
}

inline Tensor sum(const Tensor& x);
/// Repeats a tensor of one element.
inline Tensor repeat(const Tensor& x, const Shape& shape) {
  Tensor y = Tensor::empty(shape, kFloat64);
  y.fill_(x.item());
  return record("toy_repeat", y, {x}, [](const Tensor& gy, GradSink& into) { into.add(0, sum(gy)); });
}
inline Tensor sum(const Tensor& x) {
  double total = 0.0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    total += x.data<double>()[i];
  }
  Tensor y = Tensor::empty({}, kFloat64);
  *y.mutable_data<double>() = total;
  return record("toy_sum", y, {x},
                [shape = x.shape()](const Tensor& gy, GradSink& into) { into.add(0, repeat(gy, shape)); });
}

}  // namespace normgrad::tests
