// StackItems: makes a batch of examples that consist of tensors, member by member.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/data/collate.hpp"

namespace normgrad {

namespace detail {

template <class T>
concept TensorOrNumber = requires(const T& value) {
  to_tensor(value);
};

/// Whether to_tensor() accepts each element of a tuple.
template <class T, std::size_t... I>
constexpr bool has_tensor_elements(std::index_sequence<I...> /*elements*/) {
  return requires(const T& item) { (to_tensor(std::get<I>(item)), ...); };
}

/// A std::tuple, std::pair or std::array of tensors and numbers.
template <class T>
concept TupleOrArray = has_tensor_elements<T>(std::make_index_sequence<std::tuple_size<T>::value>());

template <class T>
inline constexpr std::size_t kTensorsIn = sizeof(T) / sizeof(Tensor);  ///< if it has no other members

/// Returns f(members...) for an aggregate of 1 to 8 members of a Tensor's size.
template <class T, class F>
auto with_members(const T& item, const F& f) {
  constexpr std::size_t count = kTensorsIn<T>;
  if constexpr (count == 1) {
    const auto& [a] = item;
    return f(a);
  } else if constexpr (count == 2) {
    const auto& [a, b] = item;
    return f(a, b);
  } else if constexpr (count == 3) {
    const auto& [a, b, c] = item;
    return f(a, b, c);
  } else if constexpr (count == 4) {
    const auto& [a, b, c, d] = item;
    return f(a, b, c, d);
  } else if constexpr (count == 5) {
    const auto& [a, b, c, d, e] = item;
    return f(a, b, c, d, e);
  } else if constexpr (count == 6) {
    const auto& [a, b, c, d, e, g] = item;
    return f(a, b, c, d, e, g);
  } else if constexpr (count == 7) {
    const auto& [a, b, c, d, e, g, h] = item;
    return f(a, b, c, d, e, g, h);
  } else {
    const auto& [a, b, c, d, e, g, h, i] = item;
    return f(a, b, c, d, e, g, h, i);
  }
}

/// Whether T{{a}, {b}, ...} with a Tensor for each index is an object.
template <class T, std::size_t... I>
constexpr bool takes_tensors(std::index_sequence<I...> /*members*/) {
  return requires(Tensor tensor) { T{{(static_cast<void>(I), tensor)}...}; };
}

/// Whether it has yet another member.
template <class T, std::size_t... I>
constexpr bool takes_more(std::index_sequence<I...> /*members*/) {
  return requires(Tensor tensor) { T{{(static_cast<void>(I), tensor)}..., {}}; };
}

struct AreTensors {
  template <class... Members>
  auto operator()(const Members&... /*members*/) const {
    return std::bool_constant<(std::is_same_v<Members, Tensor> && ...)>();
  }
};

/// An aggregate of 1 to 8 members, each a Tensor. (One with members in a base class has no standard layout.)
template <class T>
concept TensorStruct = std::is_aggregate_v<T> && std::is_standard_layout_v<T> && sizeof(T) % sizeof(Tensor) == 0 &&
                       kTensorsIn<T> <= 8 && takes_tensors<T>(std::make_index_sequence<kTensorsIn<T>>()) &&
                       !takes_more<T>(std::make_index_sequence<kTensorsIn<T>>()) &&
                       decltype(with_members(std::declval<const T&>(), AreTensors()))::value;

/// Stacks rows of `width` tensors: result i consists of rows[i], rows[i + width] and so on. Throws as collate().
std::vector<Tensor> stack_columns(const std::vector<Tensor>& rows, std::size_t width);

}  // namespace detail

/// The types that StackItems accepts: a Tensor or a number; a std::tuple, std::pair or std::array of those; and a
/// struct whose members, at most 8, are all Tensors.
template <class T>
concept Stackable = detail::TensorOrNumber<T> || detail::TupleOrArray<T> || detail::TensorStruct<T>;

/// Stacks tensors along a new first axis, member by member: PyTorch's default_collate. Tensors and numbers become a
/// Tensor; tuples, pairs and arrays become a std::tuple of Tensors; and structs of Tensors one of the same type.
struct StackItems {
  /// Returns all items as one batch. Throws ShapeError or DTypeError, naming the example, if a member differs from that
  /// of the first, and ValueError for no items or if only some have it.
  template <Stackable Item>
  auto operator()(const std::vector<Item>& items) const {
    std::vector<Tensor> rows;
    const auto add = [&rows](const auto&... members) { (rows.push_back(to_tensor(members)), ...); };
    for (const Item& item : items) {
      if constexpr (detail::TensorOrNumber<Item>) {
        add(item);
      } else if constexpr (detail::TupleOrArray<Item>) {
        std::apply(add, item);
      } else {
        detail::with_members(item, add);
      }
    }
    if constexpr (detail::TensorOrNumber<Item>) {
      return detail::stack_columns(rows, 1)[0];
    } else if constexpr (detail::TupleOrArray<Item>) {
      constexpr std::size_t width = std::tuple_size_v<Item>;
      return with(std::make_index_sequence<width>(), detail::stack_columns(rows, width),
                  [](auto&... columns) { return std::make_tuple(std::move(columns)...); });
    } else {
      constexpr std::size_t width = detail::kTensorsIn<Item>;
      return with(std::make_index_sequence<width>(), detail::stack_columns(rows, width),
                  [](auto&... columns) { return Item{std::move(columns)...}; });
    }
  }

 private:
  template <std::size_t... I, class F>
  static auto with(std::index_sequence<I...> /*columns*/, std::vector<Tensor> columns, const F& make) {
    return make(columns[I]...);
  }
};

}  // namespace normgrad
