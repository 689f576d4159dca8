// Datasets made of others: some of the examples, a random division, and examples that are changed on the way.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "normgrad/data/collate.hpp"

namespace normgrad {

/// Some examples of another dataset, in a given order; an example may be there more than once. A cheap handle.
class Subset final : public Dataset {
 public:
  /// Throws IndexError for a number outside of the dataset.
  Subset(DatasetPtr whole, std::vector<std::int64_t> indices);
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_->size()); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  /// The numbers of the examples in the whole.
  const std::vector<std::int64_t>& indices() const noexcept { return *indices_; }

 private:
  DatasetPtr whole_;
  std::shared_ptr<const std::vector<std::int64_t>> indices_;
};

/// The examples of those numbers, of a dataset of any kind.
template <DatasetLike D>
Subset subset(D whole, std::vector<std::int64_t> indices) {
  return {share_dataset(std::move(whole)), std::move(indices)};
}

/// Divides a dataset at random, every example going into one part. `parts` are numbers of examples that sum to its
/// size, or shares that sum to 1: of those a part gets the whole number below, and what is left goes one each to the
/// first parts. The division depends on the seed alone (not on
/// manual_seed(): runs with other seeds still hold out the same examples). Throws ValueError for parts that are
/// neither.
///
///   auto parts = random_split(train, {0.9, 0.1}, 1);
std::vector<Subset> random_split(const DatasetPtr& whole, const std::vector<double>& parts, std::uint64_t seed = 0);
template <DatasetLike D>
std::vector<Subset> random_split(D whole, const std::vector<double>& parts, std::uint64_t seed = 0) {
  return random_split(share_dataset(std::move(whole)), parts, seed);
}

/// See map_dataset().
template <class F>
class MappedDataset final : public Dataset {
 public:
  /// F: an Example to an Example, or a Batch to a Batch.
  MappedDataset(DatasetPtr whole, F f) : whole_(std::move(whole)), f_(std::move(f)) {}
  std::int64_t size() const override { return whole_->size(); }
  Batch batch(std::span<const std::int64_t> indices) const override {
    if constexpr (std::is_invocable_r_v<Batch, const F&, Batch>) {
      return f_(whole_->batch(indices));
    } else {
      std::vector<Example> examples;
      examples.reserve(indices.size());
      for (const std::int64_t index : indices) {
        examples.push_back(f_(only_example(whole_->batch({&index, 1}))));
      }
      return collate(examples);
    }
  }

 private:
  static Example only_example(const Batch& batch) {
    return {.input = without_first_axis(batch.inputs), .label = without_first_axis(batch.labels)};
  }
  static Tensor without_first_axis(const Tensor& x) {
    if (!x.defined()) {
      return x;
    }
    Shape shape = x.shape();
    shape.erase(0);
    return x.alias(shape);
  }

  DatasetPtr whole_;
  F f_;
};

/// A dataset whose batches, or examples, are f of those of another one, made when they are asked for. f is Batch(Batch)
/// or Example(Example), and must give the same for the same: for random changes there is DataLoaderOptions::transform.
/// With workers it is called on several threads at once.
template <DatasetLike D, class F>
requires(std::is_invocable_r_v<Batch, const F&, Batch> ||
         std::is_invocable_r_v<Example, const F&, Example>) MappedDataset<F> map_dataset(D whole, F f) {
  return {share_dataset(std::move(whole)), std::move(f)};
}

}  // namespace normgrad
