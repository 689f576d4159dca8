// Tensors from and to xtensor. Not a part of <normgrad/normgrad.hpp>: include it where it is needed, and link xtensor.
// The one file that knows xtensor's version (0.24 and 0.25).
//
//   xt::xarray<float> a = xt::linspace<float>(0, 1, 6).reshape({2, 3});
//   Tensor x = from_xtensor(std::move(a));     // no copy
//   auto view = as_xtensor<float>(x);          // no copy
//   xt::xarray<float> mean = xt::mean(view, {0});
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

namespace detail {

/// What a Tensor stores elements of type T as: whole numbers of other types than its own as int64.
template <class T>
using StoredAs = std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool> &&
                                        !std::is_same_v<T, std::int32_t> && !std::is_same_v<T, std::uint8_t>,
                                    std::int64_t, T>;

template <class Sizes>
Shape shape_from_xtensor(const Sizes& sizes) {
  Shape shape;
  for (const auto size : sizes) {
    shape.push_back(static_cast<std::int64_t>(size));
  }
  return shape;
}

inline std::vector<std::size_t> shape_for_xtensor(const Shape& shape) { return {shape.begin(), shape.end()}; }

/// Whether the memory of an xtensor container of this type can be a Tensor's.
template <class C>
inline constexpr bool kIsAdoptable =
    C::static_layout ==
    xt::layout_type::row_major&& std::is_same_v<typename C::value_type, StoredAs<typename C::value_type>>;

template <class C>
Tensor adopt_container(C container) {
  using T = typename C::value_type;
  auto* owner = new C(std::move(container));
  Buffer buffer(owner->data(), owner->size() * sizeof(T), owner, [](void* object) { delete static_cast<C*>(object); });
  return Tensor::from_buffer(std::move(buffer), shape_from_xtensor(owner->shape()), dtype_of<T>);
}

}  // namespace detail

/// A tensor of the expression's values, in row-major order whatever its layout. float, double, bool, std::uint8_t and
/// std::int32_t keep their type, other whole numbers become int64.
template <class E>
Tensor from_xtensor(const xt::xexpression<E>& expression) {
  using T = detail::StoredAs<typename E::value_type>;
  const E& source = expression.derived_cast();
  Tensor y = Tensor::empty(detail::shape_from_xtensor(source.shape()), dtype_of<T>);
  T* to = y.template mutable_data<T>();
  for (auto it = source.template cbegin<xt::layout_type::row_major>();
       it != source.template cend<xt::layout_type::row_major>(); ++it) {
    *to++ = static_cast<T>(*it);
  }
  return y;
}

/// Takes the memory of a moved container over, without a copy, when it is row-major and of a Tensor's element type.
template <class EC, xt::layout_type L, class SC, class Tag>
Tensor from_xtensor(xt::xarray_container<EC, L, SC, Tag>&& array) {
  using C = xt::xarray_container<EC, L, SC, Tag>;
  if constexpr (detail::kIsAdoptable<C>) {
    return detail::adopt_container(std::move(array));
  } else {
    return from_xtensor(static_cast<const xt::xexpression<C>&>(array));
  }
}
template <class EC, std::size_t N, xt::layout_type L, class Tag>
Tensor from_xtensor(xt::xtensor_container<EC, N, L, Tag>&& array) {
  using C = xt::xtensor_container<EC, N, L, Tag>;
  if constexpr (detail::kIsAdoptable<C>) {
    return detail::adopt_container(std::move(array));
  } else {
    return from_xtensor(static_cast<const xt::xexpression<C>&>(array));
  }
}

/// The tensor's elements as an xtensor array to read, without a copy; throws DTypeError when T is not the dtype's type.
/// The view keeps the memory alive and sees later changes in place.
template <class T>
auto as_xtensor(const Tensor& tensor) {
  const T* data = tensor.template data<T>();
  return xt::adapt_smart_ptr<xt::layout_type::row_major>(std::move(data), detail::shape_for_xtensor(tensor.shape()),
                                                         std::make_shared<const Buffer>(tensor.buffer()));
}

/// The same, to be written; making the view counts as one change in place, whatever is written later.
template <class T>
auto as_mutable_xtensor(Tensor& tensor) {
  T* data = tensor.template mutable_data<T>();
  return xt::adapt_smart_ptr<xt::layout_type::row_major>(std::move(data), detail::shape_for_xtensor(tensor.shape()),
                                                         std::make_shared<const Buffer>(tensor.buffer()));
}

/// A copy of the elements, converted.
template <class T>
xt::xarray<T> to_xarray(const Tensor& tensor) {
  xt::xarray<T> y(detail::shape_for_xtensor(tensor.shape()));
  dispatch_all(tensor.dtype(), [&](auto zero) {
    const auto* from = tensor.template data<decltype(zero)>();
    T* to = y.data();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      to[i] = static_cast<T>(from[i]);
    }
  });
  return y;
}

}  // namespace normgrad
