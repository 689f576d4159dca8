#include <algorithm>
#include <type_traits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/elementwise/binary.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/in_place.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

using detail::become;
using detail::is_recorded_change;

constexpr std::int64_t kGrain = std::int64_t{1} << 16;

// An operand may broadcast to the tensor, but not the tensor to the operand: its shape cannot change.
void check_operand(const char* name, const Tensor& y, const Tensor& x) {
  if (x.shape() == y.shape()) [[likely]] {
    return;
  }
  const Shape common = broadcast_shapes(name, x.shape(), y.shape());
  require<ShapeError>(common == y.shape(), name, ": expected an operand that broadcasts to ", y.shape(), " but got ",
                      x.shape(), ", and the result would have the shape ", common);
}

Tensor expanded(const Tensor& x, const Tensor& y) { return x.shape() == y.shape() ? x : expand_to(x, y.shape()); }

// The dtype of the result, which must fit the tensor.
DType checked_type(const char* name, const Tensor& y, const Tensor& x) {
  const DType type = result_type(y, x);
  require<DTypeError>(can_cast(type, y.dtype()), name, ": expected an operand whose result can be cast to ", y.dtype(),
                      " but got ", x.dtype(), ", whose result is ", type, "; convert the tensor with to() first");
  return type;
}

// Calls f(result, operand) for operands of different dtypes, with both converted to their result type.
template <class F>
void in_common_type(const char* name, Tensor& y, const Tensor& x, F f) {
  const DType type = checked_type(name, y, x);
  const NoGradGuard unrecorded;
  const Tensor operand = to(x, type);
  if (type == y.dtype()) {
    f(y, operand);
    return;
  }
  Tensor result = to(y, type);
  f(result, operand);
  y.copy_(result);
}

// Calls f(y, x, n) with typed pointers to blocks of both, in their common memory format if they have one.
template <class F>
void on_blocks(Tensor& y, const Tensor& x, F f) {
  const bool alike = x.buffer().channels_last() == y.buffer().channels_last() && y.is_physically_writable();
  dispatch_all(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = alike ? x.physical_data<T>() : x.data<T>();
    T* to = alike ? y.mutable_physical_data<T>() : y.mutable_data<T>();
    const std::size_t bytes = static_cast<std::size_t>(y.numel()) * sizeof(T);
    Tensor before;
    if (from != to && detail::overlap(from, bytes, to, bytes)) {  // two parts of one tensor
      before = Tensor::empty(x.shape(), x.dtype());
      from = std::copy_n(from, x.numel(), before.mutable_data<T>()) - x.numel();
    }
    parallel_for(y.numel(), kGrain,
                 [&](std::int64_t begin, std::int64_t end) { f(to + begin, from + begin, end - begin); });
  });
}

// y = y op x for an x that broadcasts.
void combine_broadcast(const char* name, kernels::BinaryOp op, Tensor& y, const Tensor& x) {
  if (y.is_channels_last()) {  // keeps the memory format
    const NoGradGuard unrecorded;
    y.copy_(detail::apply_binary(name, op, y, x));
    return;
  }
  // Elements of x that are elements of y, too, are read more than once.
  const Tensor operand = x.buffer().shares_block(y.buffer()) ? x.detach().clone() : x;
  const auto layout = kernels::broadcast_layout<2>(y.shape(), {&y.shape(), &operand.shape()});
  dispatch_all(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_same_v<T, bool>) {
      T* to = y.mutable_data<T>();
      kernels::binary(op, layout, static_cast<const T*>(to), operand.data<T>(), to);
    }
  });
}

// y = y op x; bool is handled by `otherwise(a, b)`.
template <class F>
void combine(const char* name, kernels::BinaryOp op, Tensor& y, const Tensor& x, F otherwise) {
  if (x.shape() != y.shape() && y.dtype() != kBool) {
    combine_broadcast(name, op, y, x);
    return;
  }
  on_blocks(y, expanded(x, y), [&](auto* to, const auto* from, std::int64_t n) {
    using T = std::remove_pointer_t<decltype(to)>;
    if constexpr (std::is_same_v<T, bool>) {
      std::transform(to, to + n, from, to, otherwise);
    } else {
      kernels::binary(op, kernels::Broadcast<2>::flat(n), static_cast<const T*>(to), from, to);
    }
  });
}

// Converts `number` to an element. Integers wrap around.
template <class T>
T number_of(Scalar number) {
  return std::is_integral_v<T> && !std::is_same_v<T, bool> ? static_cast<T>(number.whole())
                                                           : static_cast<T>(number.real());
}

// The type to compute in. Integers wrap around.
template <class T>
using Wrapping = std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, std::uint64_t, T>;

// A fraction would be truncated before the factor is used.
void check_whole_factor(const char* name, const Tensor& y, Scalar factor) {
  require<ValueError>(is_floating_point(y.dtype()) || factor.is_whole(), name, ": expected a whole number for ",
                      detail::with_article(y.dtype()), " tensor but got ", factor,
                      "; convert the tensor with to(kFloat32) first");
}

// y = y + alpha x
void add_scaled(const char* name, Tensor& y, const Tensor& x, Scalar alpha) {
  check_whole_factor(name, y, alpha);
  on_blocks(y, expanded(x, y), [alpha](auto* to, const auto* from, std::int64_t n) {
    using T = std::remove_pointer_t<decltype(to)>;
    using W = Wrapping<T>;
    const auto factor = static_cast<W>(number_of<T>(alpha));
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] = static_cast<T>(static_cast<W>(to[i]) + factor * static_cast<W>(from[i]));
    }
  });
}

// Calls f(first, last) for blocks of the elements of y.
template <class F>
void on_elements(Tensor& y, F f) {
  dispatch_all(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = y.is_physically_writable() ? y.mutable_physical_data<T>() : y.mutable_data<T>();
    parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) { f(to + begin, to + end); });
  });
}

// y = f(y, number), with the number converted once.
template <class F>
void change(Tensor& y, Scalar number, F f) {
  on_elements(y, [&f, number](auto* first, auto* last) {
    using T = std::remove_pointer_t<decltype(first)>;
    using W = Wrapping<T>;
    std::transform(first, last, first, [&f, b = static_cast<W>(number_of<T>(number))](T a) {
      return static_cast<T>(f(static_cast<W>(a), b));
    });
  });
}

// The operand of a recorded operation that is about to change y, when the operation saves it.
Tensor saved_operand(const Tensor& y, const Tensor& x) { return x.buffer().shares_block(y.buffer()) ? clone(x) : x; }

// What the value of y after copy_() and fill_() depends on besides the source: its value before, with a gradient of 0,
// so that y still requires gradients. The rest of a whole already does, of which y is a part.
Tensor replaced(const Tensor& y) { return y.is_recorded_part() ? Tensor() : y; }

// y is a float tensor.
Tensor& div_by(Tensor& y, const Tensor& x) {
  if (x.dtype() != y.dtype()) {
    in_common_type("div_", y, x, [](Tensor& a, const Tensor& b) { div_by(a, b); });
  } else {
    combine("div_", kernels::BinaryOp::div, y, x, [](bool a, bool) { return a; });
  }
  return y;
}

// y = f(), an operation that returns a new tensor and does not save y.
template <class F>
Tensor& replace(const char* name, Tensor& y, const Tensor* source, F f) {
  if (is_recorded_change(name, y, source)) {
    become(y, f());
  } else {
    const NoGradGuard unrecorded;
    y.copy_(f());
  }
  return y;
}

}  // namespace

Tensor& Tensor::operator=(const Tensor& values) && {
  check_assignment(&values);
  return copy_(values);
}

Tensor& Tensor::operator=(Scalar value) && {
  check_assignment(nullptr);
  return fill_(value);
}

void Tensor::check_assignment(const Tensor* values) const {
  const bool shares = part_kind() == PartKind::shared || part_kind() == PartKind::shared_unrecorded;
  require<ValueError>(
      shares && !is_sole_owner(),  // the last reshape() of an operation may share the memory of what is gone
      "x[i] = y: the value would be lost, because the left side ", shape(),
      " is a temporary that shares no memory; parts along axis 0 do. For other parts use index_put_() or "
      "slice_scatter(), and for a gradient set_grad()");
  is_recorded_change("x[i] = y", *this, values);
}

Tensor& Tensor::copy_(const Tensor& source) & {
  const bool recorded = is_recorded_change("copy_", *this, &source);
  check_operand("copy_", *this, source);
  if (recorded) {
    const Tensor value = expanded(normgrad::to(source, dtype()), *this);
    become(*this, record("copy_", value.alias(shape()), {replaced(*this), value}, [](const Tensor& gy, GradSink& into) {
      if (into.wants(0)) into.add(0, detail::zeros_of(gy));
      if (into.wants(1)) into.add(1, gy);
    }));
  } else if (source.dtype() != dtype()) {
    copy_(source.detach().to(dtype()));
  } else {
    const NoGradGuard unrecorded;
    on_blocks(*this, expanded(source, *this),
              [](auto* to, const auto* from, std::int64_t n) { std::copy_n(from, n, to); });
  }
  return *this;
}

Tensor& Tensor::fill_(Scalar value) & {
  detail::check_fits("fill_", value, dtype());
  if (is_recorded_change("fill_", *this)) {
    become(*this, record("fill_", Tensor::empty(shape(), dtype()).fill_(value), {replaced(*this)},
                         [](const Tensor& gy, GradSink& into) { into.add(0, detail::zeros_of(gy)); }));
    return *this;
  }
  // Does not read the elements, which may be uninitialized.
  on_elements(*this, [value](auto* first, auto* last) {
    std::fill(first, last, number_of<std::remove_pointer_t<decltype(first)>>(value));
  });
  return *this;
}

Tensor& Tensor::zero_() & { return fill_(0.0); }

Tensor& Tensor::add_(const Tensor& other, Scalar alpha) & {
  const bool recorded = is_recorded_change("add_", *this, &other);
  check_operand("add_", *this, other);
  if (recorded) {
    const Tensor operand = normgrad::to(other, checked_type("add_", *this, other));
    become(*this, normgrad::add(*this, alpha.real() == 1.0 ? operand : normgrad::mul(operand, alpha)));
  } else if (other.dtype() != dtype()) {
    in_common_type("add_", *this, other, [alpha](Tensor& y, const Tensor& x) { y.add_(x, alpha); });
  } else if (alpha.real() == 1.0) {
    combine("add_", kernels::BinaryOp::add, *this, other, [](bool a, bool b) { return a || b; });
  } else {
    add_scaled("add_", *this, other, alpha);
  }
  return *this;
}

Tensor& Tensor::add_(Scalar number) & {
  require<DTypeError>(dtype() != kBool, "add_: expected a tensor of numbers but got bool; convert it with to()");
  check_whole_factor("add_", *this, number);
  if (is_recorded_change("add_", *this)) {
    become(*this, add(number));
  } else {
    change(*this, number, [](auto a, auto b) { return a + b; });
  }
  return *this;
}

Tensor& Tensor::sub_(Scalar number) & {
  require<DTypeError>(dtype() != kBool, "sub_: expected a tensor of numbers but got bool; convert it with to()");
  check_whole_factor("sub_", *this, number);
  if (is_recorded_change("sub_", *this)) {
    become(*this, sub(number));
  } else {
    change(*this, number, [](auto a, auto b) { return a - b; });
  }
  return *this;
}

Tensor& Tensor::sub_(const Tensor& other, Scalar alpha) & {
  detail::check_numbers("sub_", *this);
  detail::check_numbers("sub_", other);
  const bool recorded = is_recorded_change("sub_", *this, &other);
  check_operand("sub_", *this, other);
  if (recorded) {
    const Tensor operand = normgrad::to(other, checked_type("sub_", *this, other));
    become(*this, normgrad::sub(*this, alpha.real() == 1.0 ? operand : normgrad::mul(operand, alpha)));
  } else if (other.dtype() != dtype()) {
    in_common_type("sub_", *this, other, [alpha](Tensor& y, const Tensor& x) { y.sub_(x, alpha); });
  } else {
    add_scaled("sub_", *this, other, -alpha);
  }
  return *this;
}

Tensor& Tensor::mul_(const Tensor& other) & {
  const bool recorded = is_recorded_change("mul_", *this, &other);
  check_operand("mul_", *this, other);
  if (recorded) {
    checked_type("mul_", *this, other);
    become(*this, normgrad::mul(other.requires_grad() ? clone() : *this, saved_operand(*this, other)));
  } else if (other.dtype() != dtype()) {
    in_common_type("mul_", *this, other, [](Tensor& y, const Tensor& x) { y.mul_(x); });
  } else {
    combine("mul_", kernels::BinaryOp::mul, *this, other, [](bool a, bool b) { return a && b; });
  }
  return *this;
}

Tensor& Tensor::mul_(Scalar factor) & {
  require<DTypeError>(dtype() != kBool || factor.is_bool(),
                      "mul_: expected a tensor of numbers but got bool; convert it with to()");
  check_whole_factor("mul_", *this, factor);
  if (is_recorded_change("mul_", *this)) {
    become(*this, normgrad::mul(*this, factor));
  } else {
    change(*this, factor, [](auto a, auto b) { return a * b; });
  }
  return *this;
}

Tensor& Tensor::div_(const Tensor& divisor) & {
  require<DTypeError>(is_floating_point(dtype()), "div_: expected a float32 or float64 tensor but got ", dtype());
  const bool recorded = is_recorded_change("div_", *this, &divisor);
  check_operand("div_", *this, divisor);
  if (!recorded) {
    return div_by(*this, divisor);
  }
  checked_type("div_", *this, divisor);
  become(*this, normgrad::div(divisor.requires_grad() ? clone() : *this, saved_operand(*this, divisor)));
  return *this;
}

Tensor& Tensor::div_(Scalar divisor) & {
  require<DTypeError>(is_floating_point(dtype()), "div_: expected a float32 or float64 tensor but got ", dtype());
  if (is_recorded_change("div_", *this)) {
    become(*this, normgrad::div(*this, divisor.real()));
  } else {
    change(*this, divisor.real(), [](auto a, auto b) { return a / b; });
  }
  return *this;
}

Tensor& Tensor::masked_fill_(const Tensor& mask, Scalar value) & {
  return replace("masked_fill_", *this, nullptr, [&] { return masked_fill(mask, value); });
}

Tensor& Tensor::masked_fill_(const Tensor& mask, const Tensor& value) & {
  return replace("masked_fill_", *this, &value, [&] { return masked_fill(mask, value); });
}

}  // namespace normgrad
