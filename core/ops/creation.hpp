// Functions that create tensors.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <type_traits>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

Tensor zeros(const Shape& shape, TensorOptions options = {});  ///< all 0
Tensor ones(const Shape& shape, TensorOptions options = {});   ///< all 1
/// The same with the sizes one by one: zeros(2, 3).
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 0) Tensor zeros(Sizes... sizes) {
  return zeros(Shape{static_cast<std::int64_t>(sizes)...});
}
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 0) Tensor ones(Sizes... sizes) { return ones(Shape{static_cast<std::int64_t>(sizes)...}); }
Tensor full(const Shape& shape, Scalar value, TensorOptions options = {});  ///< all `value`
Tensor zeros_like(const Tensor& x);                                         ///< shape and dtype of x
Tensor ones_like(const Tensor& x);                                          ///< shape and dtype of x
Tensor full_like(const Tensor& x, Scalar value);                            ///< shape and dtype of x
/// Returns start, start + step, ... up to but excluding end. The default dtype is int64.
Tensor arange(Scalar start, Scalar end, Scalar step = 1, TensorOptions options = {.dtype = kInt64});
Tensor arange(std::int64_t end);
/// `count` evenly spaced numbers from start to end, both included.
Tensor linspace(double start, double end, std::int64_t count, TensorOptions options = {});
Tensor eye(std::int64_t n, TensorOptions options = {});

// Random tensors, from default_generator() unless a generator is given.
/// Uniform in [0, 1).
Tensor rand(const Shape& shape, TensorOptions options = {}, Generator* generator = nullptr);
/// Normal with mean 0 and standard deviation 1.
Tensor randn(const Shape& shape, TensorOptions options = {}, Generator* generator = nullptr);
/// The same with the sizes one by one: randn(2, 3).
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 0) Tensor rand(Sizes... sizes) { return rand(Shape{static_cast<std::int64_t>(sizes)...}); }
template <std::integral... Sizes>
requires(sizeof...(Sizes) > 0) Tensor randn(Sizes... sizes) {
  return randn(Shape{static_cast<std::int64_t>(sizes)...});
}
/// Integers in [low, high). The default dtype is int64.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, TensorOptions options = {.dtype = kInt64},
               Generator* generator = nullptr);
/// A random permutation of 0, ..., n - 1; int64.
Tensor randperm(std::int64_t n, Generator* generator = nullptr);

/// Numbers in nested braces: tensor({{1, 2}, {3, 4}}). See tensor().
class NestedValues {
 public:
  /// One number, or a list of numbers or lists.
  template <class T>
  requires std::is_arithmetic_v<T> NestedValues(T value) : value_(value) {}                   // NOLINT
  NestedValues(std::initializer_list<NestedValues> items) : items_(items), is_list_(true) {}  // NOLINT
  bool is_list() const noexcept { return is_list_; }                                          ///< whether it is a list
  Scalar value() const noexcept { return value_; }                            ///< the number; 0 for a list
  const std::vector<NestedValues>& items() const noexcept { return items_; }  ///< the list; empty for a number

 private:
  Scalar value_ = 0;
  std::vector<NestedValues> items_;
  bool is_list_ = false;
};
/// A tensor of the values: bool if all are bools, int64 if all are integers or bools, otherwise float32. Throws
/// ShapeError if the braces do not have equal lengths.
Tensor tensor(const NestedValues& values);
/// The same with a dtype, by default float32. Throws ValueError for a value that the dtype cannot represent.
Tensor tensor(const NestedValues& values, TensorOptions options);
/// A tensor of the values in row-major order. Throws ShapeError unless there are shape.numel() of them.
template <class T>
Tensor from_vector(const std::vector<T>& values, const Shape& shape);

}  // namespace normgrad
