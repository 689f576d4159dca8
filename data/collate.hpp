// Datasets of any indexable type: what has a size() and elements, such as a std::vector, and how their elements become
// batches.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/data/dataset.hpp"

namespace normgrad {

/// One example.
struct Example {
  Tensor input;  ///< without an axis for the batch
  Tensor label;  ///< undefined where there is none
};

/// Numbered elements: d.size() of them, d[0] and so on.
template <class D>
concept Indexable = requires(const D& d) {
  { d.size() } -> std::convertible_to<std::int64_t>;
  d[0];
};

template <class D>
using ItemOf = std::remove_cvref_t<decltype(std::declval<const D&>()[0])>;  ///< the type of its elements

/// A number as a tensor without axes: whole numbers as int64, float as float32, double as float64; tensors as they are.
inline const Tensor& to_tensor(const Tensor& value) { return value; }
Tensor to_tensor(std::int64_t value);
Tensor to_tensor(float value);
Tensor to_tensor(double value);
template <std::integral T>
Tensor to_tensor(T value) {
  return to_tensor(static_cast<std::int64_t>(value));
}

/// Elements that can be collated without a function of one's own: an Example, a Tensor (the label is then undefined),
/// or a pair of a tensor or number and a tensor or number.
inline const Example& to_example(const Example& item) { return item; }
inline Example to_example(const Tensor& item) { return {.input = item, .label = {}}; }
template <class A, class B>
Example to_example(const std::pair<A, B>& item) {
  return {.input = to_tensor(item.first), .label = to_tensor(item.second)};
}

/// Stacks inputs and labels along a new first axis. Throws ShapeError, or DTypeError, naming the first example that
/// differs from the one before; ValueError for no examples.
Batch collate(const std::vector<Example>& examples);

/// What collates items of any type for which there is a to_example().
struct DefaultCollate {
  /// One batch of all.
  template <class Item>
  Batch operator()(const std::vector<Item>& items) const {
    std::vector<Example> examples;
    examples.reserve(items.size());
    for (const Item& item : items) {
      examples.push_back(to_example(item));
    }
    return collate(examples);
  }
};

/// The elements of an indexable object, made into batches by `Collate`: Batch(const std::vector<Item>&).
template <Indexable D, class Collate = DefaultCollate>
class IndexedDataset final : public Dataset {
 public:
  /// See share_dataset(), which makes one.
  explicit IndexedDataset(D items, Collate collate = {}) : items_(std::move(items)), collate_(std::move(collate)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(items_.size()); }
  Batch batch(std::span<const std::int64_t> indices) const override {
    check_indices("Dataset", indices, size());
    std::vector<ItemOf<D>> chosen;
    chosen.reserve(indices.size());
    for (const std::int64_t index : indices) {
      chosen.push_back(items_[static_cast<std::size_t>(index)]);
    }
    return collate_(chosen);
  }

 private:
  D items_;
  Collate collate_;
};

using DatasetPtr = std::shared_ptr<const Dataset>;  ///< a dataset of any type

/// What a DataLoader and the functions on datasets take: a Dataset, a DatasetPtr, or an Indexable whose elements there
/// is a to_example() for.
template <class D>
concept DatasetLike = std::derived_from<D, Dataset> || std::convertible_to<D, DatasetPtr> || Indexable<D>;

/// One interface for all of them.
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

/// An indexable object with a function that makes a batch of some of its elements:
///
///   const DatasetPtr words = make_dataset(std::move(sentences), [](const std::vector<Sentence>& some) -> Batch { ...
///   });
template <Indexable D, class Collate>
DatasetPtr make_dataset(D items, Collate collate) {
  return std::make_shared<const IndexedDataset<D, Collate>>(std::move(items), std::move(collate));
}

}  // namespace normgrad
