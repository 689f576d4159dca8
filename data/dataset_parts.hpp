// Datasets derived from others: subsets, random splits, folds, and mapped examples.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "normgrad/data/collate.hpp"

namespace normgrad {

/// Selected examples of another dataset, in a given order; examples may repeat. A cheap handle.
class Subset final : public Dataset {
 public:
  /// Throws IndexError for an index outside the dataset.
  Subset(DatasetPtr whole, std::vector<std::int64_t> indices);
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_->size()); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  /// Returns the indices of the examples in the whole dataset.
  const std::vector<std::int64_t>& indices() const noexcept { return *indices_; }

 private:
  DatasetPtr whole_;
  std::shared_ptr<const std::vector<std::int64_t>> indices_;
};

/// Returns the examples with these indices of any dataset.
template <DatasetLike D>
Subset subset(D whole, std::vector<std::int64_t> indices) {
  return {share_dataset(std::move(whole)), std::move(indices)};
}

/// Splits a dataset at random; every example goes into one part. `parts` are numbers of examples that sum to its size,
/// or fractions that sum to 1. Fractions are rounded down to numbers of examples, and the remaining examples go one
/// each to the first parts. The split depends only on `seed`, not on manual_seed(), so that runs with other seeds hold
/// out the same examples. Throws ValueError if the parts sum to neither.
///
///   auto parts = random_split(train, {0.9, 0.1}, 1);
std::vector<Subset> random_split(const DatasetPtr& whole, const std::vector<double>& parts, std::uint64_t seed = 0);
template <DatasetLike D>
std::vector<Subset> random_split(D whole, const std::vector<double>& parts, std::uint64_t seed = 0) {
  return random_split(share_dataset(std::move(whole)), parts, seed);
}

/// A division into examples to learn from and examples to validate with.
struct DatasetFold {
  Subset train;       ///< to learn from
  Subset validation;  ///< to validate with
};
/// Options of k_fold(); names and defaults are those of scikit-learn's KFold.
struct KFoldOptions {
  bool shuffle = false;    ///< divide at random instead of in order
  std::uint64_t seed = 0;  ///< of the random order; does not depend on manual_seed()
};
/// Returns k divisions of a dataset for cross-validation. Each example is in the validation part of exactly one of
/// them; the parts are equally large, but for one example more in each of the first size % k. Throws ValueError unless
/// 2 <= k <= size.
///
///   for (const auto& [train, validation] : k_fold(dataset, 5)) { ... }
std::vector<DatasetFold> k_fold(const DatasetPtr& whole, std::int64_t k, KFoldOptions options = {});
template <DatasetLike D>
std::vector<DatasetFold> k_fold(D whole, std::int64_t k, KFoldOptions options = {}) {
  return k_fold(share_dataset(std::move(whole)), k, options);
}

/// See map_dataset().
template <class F>
class MappedDataset final : public Dataset {
 public:
  /// F maps an Example to an Example, or a Batch to a Batch.
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

/// Returns a dataset whose batches or examples are f of those of another dataset, computed on access. f is Batch(Batch)
/// or Example(Example) and must be deterministic; for random changes use DataLoaderOptions::transform. With workers it
/// is called on several threads at once.
template <DatasetLike D, class F>
requires(std::is_invocable_r_v<Batch, const F&, Batch> ||
         std::is_invocable_r_v<Example, const F&, Example>) MappedDataset<F> map_dataset(D whole, F f) {
  return {share_dataset(std::move(whole)), std::move(f)};
}

}  // namespace normgrad
