#include "normgrad/core/ops/elementwise.hpp"

#include <cmath>
#include <type_traits>

#include "normgrad/core/autograd/record.hpp"

namespace normgrad::detail {

namespace {

// Calls f(T{}) for the dtypes that arithmetic is defined on.
template <class F>
void dispatch_number(const char* name, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(std::int64_t{});
    case DType::boolean:
      break;
  }
  fail<DTypeError>(name, ": expected a tensor of numbers but got bool; convert it with to()");
}

template <class T>
T number_as(const char* name, double number) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    return whole_number(name, number);
  } else {
    return static_cast<T>(number);
  }
}

}  // namespace

void check_same_dtype(const char* name, const Tensor& a, const Tensor& b) {
  require<DTypeError>(a.dtype() == b.dtype(), name, ": expected operands of the same dtype but got ", a.dtype(),
                      " and ", b.dtype());
}

void check_float(const char* name, const Tensor& x) {
  require<DTypeError>(is_floating_point(x.dtype()), name, ": expected a float32 or float64 tensor but got ", x.dtype());
}

std::int64_t whole_number(const char* name, double number) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  require<ValueError>(number >= -kLimit && number < kLimit && std::nearbyint(number) == number, name,
                      ": expected a whole number for an int64 tensor but got ", number);
  return static_cast<std::int64_t>(number);
}

Tensor apply_unary(const char* name, kernels::UnaryOp op, const Tensor& x, kernels::UnaryParams params) {
  return dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    kernels::unary(op, params, x.data<T>(), y.mutable_data<T>(), x.numel());
    return y;
  });
}

Tensor apply_unary_grad(kernels::UnaryGrad op, const Tensor& saved, const Tensor& gy, kernels::UnaryParams params) {
  return dispatch_float("backward", saved.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor gx = Tensor::empty(saved.shape(), saved.dtype());
    kernels::unary_grad(op, params, saved.data<T>(), gy.data<T>(), gx.mutable_data<T>(), saved.numel());
    return gx;
  });
}

Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& a, const Tensor& b) {
  check_same_dtype(name, a, b);
  const bool same = a.shape() == b.shape();
  const Shape shape = same ? a.shape() : broadcast_shapes(name, a.shape(), b.shape());
  const auto layout =
      same ? kernels::Broadcast<2>::flat(shape.numel()) : kernels::broadcast_layout<2>(shape, {&a.shape(), &b.shape()});
  Tensor y;
  dispatch_number(name, a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    y = Tensor::empty(shape, a.dtype());
    kernels::binary(op, layout, a.data<T>(), b.data<T>(), y.mutable_data<T>());
  });
  return y;
}

Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& x, double number, bool number_first) {
  Tensor y;
  dispatch_number(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T one = number_as<T>(name, number);
    y = Tensor::empty(x.shape(), x.dtype());
    const auto layout = kernels::Broadcast<2>::flat(x.numel(), {number_first, !number_first});
    kernels::binary(op, layout, number_first ? &one : x.data<T>(), number_first ? x.data<T>() : &one,
                    y.mutable_data<T>());
  });
  return y;
}

Tensor locally_constant(Tensor weight, const Tensor& x) {
  return record("locally_constant", std::move(weight), {x}, [shape = x.shape()](const Tensor& gy, GradSink& into) {
    into.add(0, Tensor::empty(shape, gy.dtype()).zero_());
  });
}

Tensor scalar_like(const Tensor& x, double value) { return Tensor::empty({}, x.dtype()).fill_(value); }
Tensor zeros_of(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()).fill_(0.0); }
Tensor ones_of(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()).fill_(1.0); }

}  // namespace normgrad::detail
