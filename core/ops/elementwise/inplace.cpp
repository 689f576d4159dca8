#include <algorithm>
#include <optional>
#include <type_traits>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/elementwise/binary.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/in_place.hpp"
#include "normgrad/core/ops/detail/promotion.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

// In-place operations are not recorded, so they must not change a tensor that needs a gradient.
void detail::check_not_recorded(const char* name, const Tensor& target, const Tensor* source) {
  require<GraphError>(!is_grad_enabled() || !target.requires_grad(), name,
                      ": the tensor requires gradients and in-place changes are not recorded; use the operation that "
                      "returns a new tensor, or NoGradGuard");
  require<GraphError>(!is_grad_enabled() || target.part_kind() != PartKind::shared_unrecorded, name,
                      ": the tensor is a part of one that requires gradients, taken under NoGradGuard; change it under "
                      "NoGradGuard too, or take it from detach()");
  require<GraphError>(!is_grad_enabled() || source == nullptr || !source->requires_grad(), name,
                      ": the operand requires gradients and in-place changes are not recorded; detach() it, or use the "
                      "operation that returns a new tensor");
}

namespace {

using detail::check_not_recorded;

constexpr std::int64_t kGrain = std::int64_t{1} << 16;

// The shape to which both broadcast, if there is one.
std::optional<Shape> common_shape(const Shape& a, const Shape& b) {
  const std::size_t rank = std::max(a.rank(), b.rank());
  Shape common;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t sa = i + a.rank() < rank ? 1 : a[i + a.rank() - rank];
    const std::int64_t sb = i + b.rank() < rank ? 1 : b[i + b.rank() - rank];
    if (sa != sb && sa != 1 && sb != 1) {
      return {};
    }
    common.push_back(sa == 1 ? sb : sa);
  }
  return common;
}

// An operand may broadcast to the tensor, but not the tensor to the operand: its shape cannot change.
void check_operand(const char* name, const Tensor& y, const Tensor& x) {
  check_not_recorded(name, y, &x);
  if (x.shape() == y.shape()) [[likely]] {
    return;
  }
  const std::optional<Shape> common = common_shape(x.shape(), y.shape());
  require<ShapeError>(common == y.shape(), name, ": expected an operand that broadcasts to ", y.shape(), " but got ",
                      x.shape(), common ? detail::concat(", and the result would have the shape ", *common) : "");
}

Tensor expanded(const Tensor& x, const Tensor& y) { return x.shape() == y.shape() ? x : expand_to(x, y.shape()); }

// Calls f(result, operand) for operands of different dtypes, with both converted to their result type.
template <class F>
void in_common_type(const char* name, Tensor& y, const Tensor& x, F f) {
  check_operand(name, y, x);
  const DType type = result_type(y, x);
  require<DTypeError>(can_cast(type, y.dtype()), name, ": expected an operand whose result can be cast to ", y.dtype(),
                      " but got ", x.dtype(), ", whose result is ", type, "; convert the tensor with to() first");
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
  check_operand(name, y, x);
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
  check_operand(name, y, x);
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
void on_elements(const char* name, Tensor& y, F f) {
  check_not_recorded(name, y);
  dispatch_all(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = y.is_physically_writable() ? y.mutable_physical_data<T>() : y.mutable_data<T>();
    parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) { f(to + begin, to + end); });
  });
}

// y = f(y, number), with the number converted once.
template <class F>
void change(const char* name, Tensor& y, Scalar number, F f) {
  on_elements(name, y, [&f, number](auto* first, auto* last) {
    using T = std::remove_pointer_t<decltype(first)>;
    using W = Wrapping<T>;
    std::transform(first, last, first, [&f, b = static_cast<W>(number_of<T>(number))](T a) {
      return static_cast<T>(f(static_cast<W>(a), b));
    });
  });
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
  require<ValueError>(
      part_kind() == PartKind::shared || part_kind() == PartKind::shared_unrecorded,
      "x[i] = y: the value would be lost, because the left side ", shape(),
      " is a temporary that shares no memory; parts along axis 0 do. For other parts use index_put_() or "
      "slice_scatter(), and for a gradient set_grad()");
  require<GraphError>(!is_grad_enabled() || !requires_grad(),
                      "x[i] = y: x requires gradients and assignments are not recorded; use "
                      "x = select_scatter(x, y, 0, i), or NoGradGuard");
  require<GraphError>(
      !is_grad_enabled() || values == nullptr || !values->requires_grad(),
      "x[i] = y: y requires gradients and assignments are not recorded; join such parts with stack() or "
      "cat(), use x = select_scatter(x, y, 0, i), or detach() y");
}

Tensor& Tensor::copy_(const Tensor& source) & {
  if (source.dtype() != dtype()) {
    return copy_(source.detach().to(dtype()));
  }
  check_operand("copy_", *this, source);
  on_blocks(*this, expanded(source, *this),
            [](auto* to, const auto* from, std::int64_t n) { std::copy_n(from, n, to); });
  return *this;
}

Tensor& Tensor::fill_(Scalar value) & {
  detail::check_fits("fill_", value, dtype());
  // Does not read the elements, which may be uninitialized.
  on_elements("fill_", *this, [value](auto* first, auto* last) {
    std::fill(first, last, number_of<std::remove_pointer_t<decltype(first)>>(value));
  });
  return *this;
}

Tensor& Tensor::zero_() & { return fill_(0.0); }

Tensor& Tensor::add_(const Tensor& other, Scalar alpha) & {
  if (other.dtype() != dtype()) {
    in_common_type("add_", *this, other, [alpha](Tensor& y, const Tensor& x) { y.add_(x, alpha); });
  } else if (alpha.real() == 1.0) {
    combine("add_", kernels::BinaryOp::add, *this, other, [](bool a, bool b) { return a || b; });
  } else {
    add_scaled("add_", *this, other, alpha);
  }
  return *this;
}

Tensor& Tensor::sub_(const Tensor& other, Scalar alpha) & {
  detail::check_numbers("sub_", *this);
  detail::check_numbers("sub_", other);
  if (other.dtype() != dtype()) {
    in_common_type("sub_", *this, other, [alpha](Tensor& y, const Tensor& x) { y.sub_(x, alpha); });
  } else {
    add_scaled("sub_", *this, other, -alpha);
  }
  return *this;
}

Tensor& Tensor::mul_(const Tensor& other) & {
  if (other.dtype() != dtype()) {
    in_common_type("mul_", *this, other, [](Tensor& y, const Tensor& x) { y.mul_(x); });
    return *this;
  }
  combine("mul_", kernels::BinaryOp::mul, *this, other, [](bool a, bool b) { return a && b; });
  return *this;
}

Tensor& Tensor::mul_(Scalar factor) & {
  require<DTypeError>(dtype() != kBool || factor.is_bool(),
                      "mul_: expected a tensor of numbers but got bool; convert it with to()");
  check_whole_factor("mul_", *this, factor);
  change("mul_", *this, factor, [](auto a, auto b) { return a * b; });
  return *this;
}

Tensor& Tensor::div_(Scalar divisor) & {
  require<DTypeError>(is_floating_point(dtype()), "div_: expected a float32 or float64 tensor but got ", dtype());
  change("div_", *this, divisor.real(), [](auto a, auto b) { return a / b; });
  return *this;
}

}  // namespace normgrad
