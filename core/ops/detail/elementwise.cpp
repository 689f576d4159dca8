#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"

#include <limits>
#include <type_traits>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"

namespace normgrad::detail {

namespace {

// The logical operation that may have been meant for two masks.
const char* logical_remedy(kernels::BinaryOp op) {
  using kernels::BinaryOp;
  switch (op) {
    case BinaryOp::mul:
    case BinaryOp::minimum:
      return "; of two masks a and b, a & b is true where both are";
    case BinaryOp::add:
    case BinaryOp::maximum:
      return "; of two masks a and b, a | b is true where one of them is";
    case BinaryOp::sub:
      return "; of two masks a and b, a ^ b is true where they differ";
    default:
      return "";
  }
}

// Calls f(T{}) for the arithmetic dtypes; `remedy` ends the error message for the others.
template <class F>
void dispatch_number(const char* name, const char* remedy, DType dtype, F&& f) {
  require<DTypeError>(dtype != kBool, name, ": expected a tensor of numbers but got bool; convert it with to()",
                      remedy);
  dispatch_elements(dtype, f);
}

template <class T>
T number_as(const char* name, Scalar number) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(whole_number(name, number, dtype_of<T>));
  } else {
    return static_cast<T>(number.real());
  }
}

}  // namespace

void check_same_dtype(const char* name, const Tensor& a, const Tensor& b) {
  require<DTypeError>(a.dtype() == b.dtype(), name, ": expected operands of the same dtype but got ", a.dtype(),
                      " and ", b.dtype(), "; convert one of them with to()");
}

void check_float(const char* name, const Tensor& x) {
  require<DTypeError>(is_floating_point(x.dtype()), name, ": expected a float32 or float64 tensor but got ", x.dtype());
}

std::int64_t whole_number(const char* name, Scalar number, DType dtype) {
  require<ValueError>(number.is_whole(), name, ": expected a whole number for ", with_article(dtype),
                      " tensor but got ", number);
  return number.whole();
}

const char* with_article(DType dtype) noexcept {
  switch (dtype) {
    case DType::int64:
      return "an int64";
    case DType::int32:
      return "an int32";
    case DType::uint8:
      return "a uint8";
    case DType::boolean:
      return "a bool";
    case DType::float32:
      return "a float32";
    case DType::float64:
      break;
  }
  return "a float64";
}

bool fits(Scalar number, DType dtype) noexcept {
  if (!is_integer(dtype)) {
    return true;
  }
  if (!number.fits_int64()) {
    return false;
  }
  const std::int64_t whole = number.whole();
  switch (dtype) {
    case DType::int32:
      return whole == static_cast<std::int32_t>(whole);
    case DType::uint8:
      return whole == static_cast<std::uint8_t>(whole);
    default:
      return true;
  }
}

void check_fits(const char* name, Scalar number, DType dtype) {
  require<ValueError>(fits(number, dtype), name, ": expected a number that fits ", dtype, " but got ", number);
}

Tensor widened(const Tensor& x) { return is_integer(x.dtype()) ? to(x, kInt64) : x; }

Tensor apply_unary(const char* name, kernels::UnaryOp op, const Tensor& x, kernels::UnaryParams params) {
  return dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor y = empty_like_format(x, x.dtype());
    kernels::unary(op, params, x.physical_data<T>(), y.mutable_physical_data<T>(), x.numel());
    return y;
  });
}

Tensor apply_unary_grad(kernels::UnaryGrad op, const Tensor& saved, const Tensor& gy, kernels::UnaryParams params) {
  return dispatch_float("backward", saved.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor x = match_format(saved, gy);
    // A gradient without other owners is no longer needed: its memory is reused for the result.
    const bool in_place = gy.is_sole_owner() && gy.is_channels_last() == x.is_channels_last();
    const Tensor g = in_place ? gy : match_format(gy, saved);
    Tensor gx = in_place ? gy : empty_like_format(x, x.dtype());
    kernels::unary_grad(op, params, x.physical_data<T>(), g.physical_data<T>(), gx.mutable_physical_data<T>(),
                        x.numel());
    return gx;
  });
}

namespace {

// The common memory format of two operands: channels-last if one is channels-last and the other can be converted.
struct BroadcastOperands {
  Tensor a;
  Tensor b;
  Shape shape;
  kernels::Broadcast<2> layout;
  bool channels_last = false;

  BroadcastOperands(const char* name, const Tensor& a_given, const Tensor& b_given) : a(a_given), b(b_given) {
    if (a.shape() == b.shape()) {
      shape = a.shape();
      layout = kernels::Broadcast<2>::flat(shape.numel());
      a = match_format(a_given, b_given);
      b = match_format(b_given, a_given);
      channels_last = a.is_channels_last();
      return;
    }
    shape = broadcast_shapes(name, a.shape(), b.shape());
    if (a.is_channels_last() || b.is_channels_last()) {
      const Tensor& full = a.is_channels_last() ? a : b;
      const Tensor& other = a.is_channels_last() ? b : a;
      const Shape other_shape = of_rank(other.shape(), shape.rank());
      if (full.shape() == shape && !other.is_channels_last() && formats_agree(other_shape)) {
        const Shape behind_a = nhwc_shape(of_rank(a.shape(), shape.rank()));
        const Shape behind_b = nhwc_shape(of_rank(b.shape(), shape.rank()));
        layout = kernels::broadcast_layout<2>(nhwc_shape(shape), {&behind_a, &behind_b});
        channels_last = true;
        return;
      }
      a = a.row_major();
      b = b.row_major();
    }
    layout = kernels::broadcast_layout<2>(shape, {&a.shape(), &b.shape()});
  }
};

}  // namespace

Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& a, const Tensor& b) {
  check_same_dtype(name, a, b);
  Tensor y;
  dispatch_number(name, logical_remedy(op), a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const BroadcastOperands meeting(name, a, b);
    y = meeting.channels_last ? Tensor::empty_channels_last(meeting.shape, a.dtype())
                              : Tensor::empty(meeting.shape, a.dtype());
    kernels::binary(op, meeting.layout, meeting.a.physical_data<T>(), meeting.b.physical_data<T>(),
                    y.mutable_physical_data<T>());
  });
  return y;
}

Tensor apply_binary(const char* name, kernels::BinaryOp op, const Tensor& x, Scalar number, bool number_first) {
  Tensor y;
  dispatch_number(name, "", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T one = number_as<T>(name, number);
    y = empty_like_format(x, x.dtype());
    const T* from = x.physical_data<T>();
    const auto layout = kernels::Broadcast<2>::flat(x.numel(), {number_first, !number_first});
    kernels::binary(op, layout, number_first ? &one : from, number_first ? from : &one, y.mutable_physical_data<T>());
  });
  return y;
}

Tensor locally_constant(Tensor weight, const Tensor& x) {
  return record("locally_constant", std::move(weight), {x}, [shape = x.shape()](const Tensor& gy, GradSink& into) {
    into.add(0, Tensor::empty(shape, gy.dtype()).zero_());
  });
}

Tensor weighted(const Tensor& weight, const Tensor& x) {
  Tensor y = apply_binary("weighted", kernels::BinaryOp::weigh, weight, x);
  return record("weighted", std::move(y), {weight, x},
                [weight = Saved(weight), x = Saved(x)](const Tensor& gy, GradSink& into) {
                  const Tensor& w = weight.get();
                  if (into.wants(0)) into.add(0, sum_to(mul(gy, counted(w, x.get())), w.shape()));
                  if (into.wants(1)) into.add(1, sum_to(mul(gy, w), x.get().shape()));
                });
}

Tensor counted(const Tensor& weight, const Tensor& x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Tensor infinite = to(eq(abs(x), kInfinity), kInt64);
  const Tensor nothing = to(mul(to(eq(weight, 0.0), kInt64), infinite), kBool);
  return where(nothing, scalar_like(x, 0.0), x);
}

Tensor scalar_like(const Tensor& x, double value) { return Tensor::empty({}, x.dtype()).fill_(value); }
Tensor zeros_of(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()).fill_(0.0); }
Tensor ones_of(const Tensor& x) { return Tensor::empty(x.shape(), x.dtype()).fill_(1.0); }

}  // namespace normgrad::detail
