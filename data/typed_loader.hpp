// TypedLoader: iterates over examples in batches of any type.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/data/collate.hpp"
#include "normgrad/data/loader_base.hpp"
#include "normgrad/data/stack_items.hpp"

namespace normgrad {

namespace detail {

/// The type of the batches that a Collate makes of the elements of D.
template <class D, class Collate>
using CollatedBy = std::remove_cvref_t<std::invoke_result_t<const Collate&, const std::vector<ItemOf<D>>&>>;

/// Whether a Collate makes batches of type B of the elements of D.
template <class Collate, class D, class B>
concept Collates = std::convertible_to<CollatedBy<D, Collate>, B>;

/// The type of the batches of examples that StackItems refuses: the compiler's message says what to give.
template <class Item>
struct NoBatch {
  static_assert(Stackable<Item>,
                "TypedLoader needs a function that makes a batch of these examples, which are neither "
                "tensors nor tuples or structs of tensors only: TypedLoader(examples, collate, options)");
};

/// Makes batches of type B of an indexable object.
template <class B, Indexable D, class Collate>
class ItemSource final : public BatchSource {
 public:
  ItemSource(D items, Collate collate, std::function<B(B, Generator&)> transform)
      : items_(std::move(items)), collate_(std::move(collate)), transform_(std::move(transform)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(items_.size()); }
  std::shared_ptr<void> batch(std::span<const std::int64_t> indices) const override {
    return std::make_shared<B>(collate_(items_at(items_, indices)));
  }
  std::shared_ptr<void> transformed(std::shared_ptr<void> batch, Generator& generator) const override {
    return transform_ ? std::make_shared<B>(transform_(std::move(*static_cast<B*>(batch.get())), generator)) : batch;
  }

 private:
  D items_;
  Collate collate_;
  std::function<B(B, Generator&)> transform_;
};

}  // namespace detail

/// A DataLoader whose batches are of any type B that can be copied, such as a struct of tensors and lists:
///
///   struct Sample { Tensor image, mask, boxes; };               // boxes: [number of boxes, 4]
///   struct SampleBatch { Tensor images, masks, boxes, lengths; };
///   SampleBatch collate_samples(const std::vector<Sample>& samples) { ... }
///
///   TypedLoader batches(samples, collate_samples, {.batch_size = 4, .shuffle = true, .num_workers = 2});
///   for (const auto& [images, masks, boxes, lengths] : batches) { ... }
///
/// The order, the draws of the transform, the workers, the state and the errors are those of a DataLoader with the same
/// options and as many examples. The messages begin with "TypedLoader: example 17 (batch 2 of epoch 0): ...".
template <std::copy_constructible B>
class TypedLoader : public LoaderBase {
 public:
  /// Keeps a copy of the examples, which may be any indexable object, such as a std::vector, or a class whose
  /// operator[] reads a file. `collate` makes a batch of some of them: B(const std::vector<Item>&). With workers both
  /// are used on several threads. Throws ValueError for options out of range and for examples that give no batch.
  template <Indexable D, detail::Collates<D, B> Collate>
  TypedLoader(D examples, Collate collate, const LoaderOptions<B>& options = {})
      : LoaderBase("TypedLoader",
                   std::make_shared<const detail::ItemSource<B, D, Collate>>(std::move(examples), std::move(collate),
                                                                             options.transform),
                   detail::without_transform(options)) {}
  /// As above, for examples that are tensors, tuples or structs of tensors; see StackItems.
  template <Indexable D>
  requires Stackable<ItemOf<D>>
  explicit TypedLoader(D examples, const LoaderOptions<B>& options = {})
      : TypedLoader(std::move(examples), StackItems(), options) {}

  /// One pass over the data.
  using Iterator = BatchIterator<B>;
  /// Starts the next epoch.
  Iterator begin() { return Iterator(begin_loop()); }
};

/// The type of the batches is that of the function's results.
template <Indexable D, class Collate>
TypedLoader(D, Collate, const LoaderOptions<detail::CollatedBy<D, Collate>>& = {})
    -> TypedLoader<detail::CollatedBy<D, Collate>>;
/// The type of the batches is that of StackItems.
template <Indexable D>
TypedLoader(D, const LoaderOptions<detail::CollatedBy<D, StackItems>>& = {})
    -> TypedLoader<detail::CollatedBy<D, StackItems>>;
template <Indexable D, class B = Tensor>
requires(!Stackable<ItemOf<D>>) TypedLoader(D, const LoaderOptions<B>& = {})
->TypedLoader<decltype(detail::NoBatch<ItemOf<D>>())>;

}  // namespace normgrad
