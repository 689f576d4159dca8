// Datasets from any indexable type, such as a std::vector, and the collation of their elements into batches.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/data/dataset.hpp"

namespace normgrad {

/// One example of a dataset.
struct Example {
  Tensor input;  ///< without a batch axis
  Tensor label;  ///< undefined if there is none
};

/// A type with elements d[0] to d[d.size() - 1].
template <class D>
concept Indexable = requires(const D& d) {
  { d.size() } -> std::convertible_to<std::int64_t>;
  d[0];
};

template <class D>
using ItemOf = std::remove_cvref_t<decltype(std::declval<const D&>()[0])>;  ///< the type of its elements

/// Converts a number to a scalar tensor: integers to int64, float to float32, double to float64. Returns tensors as is.
inline const Tensor& to_tensor(const Tensor& value) { return value; }
Tensor to_tensor(std::int64_t value);
Tensor to_tensor(float value);
Tensor to_tensor(double value);
template <std::integral T>
Tensor to_tensor(T value) {
  return to_tensor(static_cast<std::int64_t>(value));
}

/// Converts an element to an Example: an Example, a Tensor (the label is then undefined), or a pair of tensors or
/// numbers.
inline const Example& to_example(const Example& item) { return item; }
inline Example to_example(const Tensor& item) { return {.input = item, .label = {}}; }
template <class A, class B>
Example to_example(const std::pair<A, B>& item) {
  return {.input = to_tensor(item.first), .label = to_tensor(item.second)};
}

/// Stacks inputs and labels along a new first axis. Throws ShapeError or DTypeError, naming the example, if one differs
/// from the first, and ValueError for no examples or if only some have an input or a label.
Batch collate(const std::vector<Example>& examples);

namespace detail {
/// Returns copies of some elements of an indexable object. Throws IndexError for indices outside of it.
template <Indexable D>
std::vector<ItemOf<D>> items_at(const D& all, std::span<const std::int64_t> indices) {
  check_indices("Dataset", indices, static_cast<std::int64_t>(all.size()));
  std::vector<ItemOf<D>> chosen;
  chosen.reserve(indices.size());
  for (const std::int64_t index : indices) {
    chosen.push_back(all[static_cast<std::size_t>(index)]);
  }
  return chosen;
}
}  // namespace detail

/// Collates items of any type for which there is a to_example().
struct DefaultCollate {
  /// Returns all items as one batch.
  template <class Item>
  Batch operator()(const std::vector<Item>& items) const {
    static_assert(
        requires(const Item& item) { to_example(item); },
        "The elements are no examples: tensors, pairs of tensors or numbers, or Example. Pass a TypedLoader a "
        "function that makes batches of them (docs/data.md), or give them a to_example().");
    std::vector<Example> examples;
    examples.reserve(items.size());
    for (const Item& item : items) {
      examples.push_back(to_example(item));
    }
    return collate(examples);
  }
};

/// A dataset of the elements of an indexable object, collated by `Collate`: Batch(const std::vector<Item>&).
template <Indexable D, class Collate = DefaultCollate>
class IndexedDataset final : public Dataset {
 public:
  /// Created by share_dataset() and make_dataset().
  explicit IndexedDataset(D items, Collate collate = {}) : items_(std::move(items)), collate_(std::move(collate)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(items_.size()); }
  Batch batch(std::span<const std::int64_t> indices) const override {
    return collate_(detail::items_at(items_, indices));
  }

 private:
  D items_;
  Collate collate_;
};

using DatasetPtr = std::shared_ptr<const Dataset>;  ///< a dataset of any type

/// Accepted by DataLoader and the dataset functions: a Dataset, a DatasetPtr, or an Indexable whose elements
/// to_example() accepts.
template <class D>
concept DatasetLike = std::derived_from<D, Dataset> || std::convertible_to<D, DatasetPtr> || Indexable<D>;

/// Converts any DatasetLike to a DatasetPtr.
template <DatasetLike D>
DatasetPtr share_dataset(D dataset) {
  if constexpr (std::convertible_to<D, DatasetPtr>) {
    return dataset;
  } else if constexpr (std::derived_from<D, Dataset>) {
    return std::make_shared<const D>(std::move(dataset));
  } else {
    return std::make_shared<const IndexedDataset<D>>(std::move(dataset));
  }
}

/// Returns a dataset of an indexable object, with a function that collates some of its elements into a batch:
///
///   const DatasetPtr words = make_dataset(std::move(sentences), [](const std::vector<Sentence>& some) -> Batch { ...
///   });
template <Indexable D, class Collate>
DatasetPtr make_dataset(D items, Collate collate) {
  return std::make_shared<const IndexedDataset<D, Collate>>(std::move(items), std::move(collate));
}

}  // namespace normgrad
