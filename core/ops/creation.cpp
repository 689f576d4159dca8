#include "normgrad/core/ops/creation.hpp"

#include <algorithm>
#include <cmath>

#include "normgrad/core/kernels/memory/fill.hpp"
#include "normgrad/core/kernels/memory/random.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"

namespace normgrad {

namespace {

Tensor with_options(Tensor y, TensorOptions options) {
  if (options.requires_grad) {
    y.requires_grad_();
  }
  return y;
}

Generator& or_default(Generator* generator) { return generator == nullptr ? default_generator() : *generator; }

// Converts `number` to an element; for integers the fraction is dropped, as in PyTorch.
template <class T>
T element_of(const char* where, Scalar number) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    require<ValueError>(detail::fits(number, dtype_of<T>), where, ": expected numbers that fit ", dtype_of<T>,
                        " but got ", number);
    return static_cast<T>(number.whole());
  } else {
    return static_cast<T>(number.real());
  }
}

// y[i] = f(i), converted.
template <class F>
Tensor generate(const char* where, const Shape& shape, TensorOptions options, F f) {
  Tensor y = Tensor::empty(shape, options.dtype);
  dispatch_all(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    T* to = y.mutable_data<T>();
    for (std::int64_t i = 0; i < y.numel(); ++i) {
      to[i] = element_of<T>(where, f(i));
    }
  });
  return with_options(std::move(y), options);
}

}  // namespace

Tensor full(const Shape& shape, Scalar value, TensorOptions options) {
  Tensor y = Tensor::empty(shape, options.dtype);
  dispatch_all(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    kernels::fill(y.mutable_data<T>(), y.numel(), element_of<T>("full", value));
  });
  return with_options(std::move(y), options);
}

Tensor zeros(const Shape& shape, TensorOptions options) { return full(shape, 0.0, options); }
Tensor ones(const Shape& shape, TensorOptions options) { return full(shape, 1.0, options); }
Tensor full_like(const Tensor& x, Scalar value) { return full(x.shape(), value, {.dtype = x.dtype()}); }
Tensor zeros_like(const Tensor& x) { return full_like(x, 0.0); }
Tensor ones_like(const Tensor& x) { return full_like(x, 1.0); }

namespace {

// The number of values start, start + step, ... before end. The bounds are ordered in the direction of the step.
std::int64_t count_between(std::int64_t start, std::int64_t end, std::int64_t step) {
  const bool up = step > 0;
  const std::uint64_t low = static_cast<std::uint64_t>(up ? start : end);
  const std::uint64_t distance = static_cast<std::uint64_t>(up ? end : start) - low;
  const std::uint64_t stride = up ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  return static_cast<std::int64_t>(distance / stride + (distance % stride == 0 ? 0 : 1));
}

}  // namespace

Tensor arange(Scalar start, Scalar end, Scalar step, TensorOptions options) {
  const double first = start.real();
  const double last = end.real();
  const double stride = step.real();
  require<ValueError>(std::isfinite(first) && std::isfinite(last) && std::isfinite(stride) && stride != 0.0,
                      "arange: expected finite bounds and a step other than 0 but got start ", start, ", end ", end,
                      " and step ", step);
  require<ValueError>((last - first) / stride >= 0.0,
                      "arange: expected bounds in the direction of the step but got start ", start, ", end ", end,
                      " and step ", step);
  require<ValueError>(!is_integer(options.dtype) || (start.is_whole() && step.is_whole()),
                      "arange: expected whole numbers for ", options.dtype, " but got start ", start, " and step ",
                      step, "; pass {.dtype = kFloat32}");
  require<DTypeError>(options.dtype != kBool, "arange: expected a dtype of numbers but got bool");
  const double count = std::ceil((last - first) / stride);
  constexpr double kMax = 9007199254740992.0;  // 2^53: every integer up to this is exact as a double
  require<ValueError>(count <= kMax, "arange: expected at most 2^53 elements but got more: start ", start, ", end ",
                      end, " and step ", step, " make more");
  if (start.is_whole() && end.is_whole() && step.is_whole()) {
    const std::int64_t n = count_between(start.whole(), end.whole(), step.whole());
    return generate("arange", {n}, options, [at = start.whole(), by = step.whole()](std::int64_t i) {
      return static_cast<std::int64_t>(static_cast<std::uint64_t>(at) +
                                       static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(by));
    });
  }
  const auto n = static_cast<std::int64_t>(count);
  return generate("arange", {n}, options, [=](std::int64_t i) { return first + static_cast<double>(i) * stride; });
}

Tensor arange(std::int64_t end) { return arange(0, end); }

Tensor linspace(double start, double end, std::int64_t count, TensorOptions options) {
  require<ValueError>(count >= 0, "linspace: expected a count >= 0 but got ", count);
  const double step = count > 1 ? (end - start) / static_cast<double>(count - 1) : 0.0;
  // Computed from both ends, so that both are exact.
  return generate("linspace", {count}, options, [=](std::int64_t i) {
    return 2 * i < count ? start + step * static_cast<double>(i) : end - step * static_cast<double>(count - 1 - i);
  });
}

Tensor eye(std::int64_t n, TensorOptions options) {
  require<ValueError>(n >= 0, "eye: expected a size >= 0 but got ", n);
  return generate("eye", {n, n}, options, [=](std::int64_t i) { return i / n == i % n ? 1.0 : 0.0; });
}

Tensor rand(const Shape& shape, TensorOptions options, Generator* generator) {
  Tensor y = Tensor::empty(shape, options.dtype);
  dispatch_float("rand", options.dtype, [&](auto zero) {
    using T = decltype(zero);
    kernels::fill_uniform(y.mutable_data<T>(), y.numel(), or_default(generator));
  });
  return with_options(std::move(y), options);
}

Tensor randn(const Shape& shape, TensorOptions options, Generator* generator) {
  Tensor y = Tensor::empty(shape, options.dtype);
  dispatch_float("randn", options.dtype, [&](auto zero) {
    using T = decltype(zero);
    kernels::fill_normal(y.mutable_data<T>(), y.numel(), or_default(generator));
  });
  return with_options(std::move(y), options);
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, TensorOptions options, Generator* generator) {
  require<ValueError>(low < high, "randint: expected low < high but got ", low, " and ", high);
  Generator& source = or_default(generator);
  const auto n = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  if (options.dtype == kInt64) {
    Tensor y = Tensor::empty(shape, kInt64);
    kernels::fill_below(low, n, y.mutable_data<std::int64_t>(), y.numel(), source);
    return with_options(std::move(y), options);
  }
  return generate("randint", shape, options, [&](std::int64_t) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + source.below(n));
  });
}

Tensor randperm(std::int64_t n, Generator* generator) {
  require<ValueError>(n >= 0, "randperm: expected a size >= 0 but got ", n);
  Tensor y = Tensor::empty({n}, kInt64);
  kernels::fill_permutation(y.mutable_data<std::int64_t>(), n, or_default(generator));
  return y;
}

namespace {

void flatten_values(const NestedValues& values, const Shape& shape, std::size_t depth, std::vector<Scalar>& flat) {
  if (depth == shape.rank()) {
    require<ShapeError>(!values.is_list(), "tensor: expected a number but got a list below ", shape);
    flat.push_back(values.value());
    return;
  }
  const auto size = static_cast<std::int64_t>(values.items().size());
  require<ShapeError>(values.is_list() && size == shape[depth], "tensor: expected lists of equal length, as in ", shape,
                      ", but got ", values.is_list() ? std::to_string(size) + " values" : "a number", " at depth ",
                      depth);
  for (const NestedValues& item : values.items()) {
    flatten_values(item, shape, depth + 1, flat);
  }
}

}  // namespace

namespace {

// Whether `is` holds for all numbers.
template <class F>
bool all_of(const NestedValues& values, F is) {
  return values.is_list()
             ? std::all_of(values.items().begin(), values.items().end(), [&](const auto& v) { return all_of(v, is); })
             : is(values.value());
}

}  // namespace

Tensor tensor(const NestedValues& values) {
  bool any = false;
  all_of(values, [&any](Scalar) { return any = true; });
  DType dtype = kFloat32;
  if (any && all_of(values, [](Scalar value) { return value.is_bool(); })) {
    dtype = kBool;
  } else if (any && all_of(values, [](Scalar value) { return value.is_integer(); })) {
    dtype = kInt64;
  }
  return tensor(values, {.dtype = dtype});
}

Tensor tensor(const NestedValues& values, TensorOptions options) {
  Shape shape;
  for (const NestedValues* at = &values; at->is_list(); at = at->items().data()) {
    shape.push_back(static_cast<std::int64_t>(at->items().size()));
    if (at->items().empty()) {
      break;
    }
  }
  std::vector<Scalar> flat;
  flatten_values(values, shape, 0, flat);
  return generate("tensor", shape, options, [&](std::int64_t i) { return flat[static_cast<std::size_t>(i)]; });
}

template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
  require<ShapeError>(static_cast<std::int64_t>(values.size()) == shape.numel(), "from_vector: expected ",
                      shape.numel(), " values for shape ", shape, " but got ", values.size());
  Tensor y = Tensor::empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), y.mutable_data<T>());
  return y;
}
template Tensor from_vector(const std::vector<float>&, const Shape&);
template Tensor from_vector(const std::vector<double>&, const Shape&);
template Tensor from_vector(const std::vector<std::int64_t>&, const Shape&);
template Tensor from_vector(const std::vector<bool>&, const Shape&);
template Tensor from_vector(const std::vector<std::uint8_t>&, const Shape&);
template Tensor from_vector(const std::vector<std::int32_t>&, const Shape&);

}  // namespace normgrad
