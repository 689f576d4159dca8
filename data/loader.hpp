// DataLoader: iterates over a dataset in batches.
#pragma once

#include <functional>
#include <utility>

#include "normgrad/data/collate.hpp"
#include "normgrad/data/dataset.hpp"
#include "normgrad/data/loader_base.hpp"

namespace normgrad {

/// Changes a batch at random. Draws only from `generator`, which is determined by the loader's seed, the epoch and the
/// index of the batch. Created by compose() of image_transform.hpp. With workers it is called on several threads.
using BatchTransform = std::function<Batch(Batch batch, Generator& generator)>;

extern template class BatchIterator<Batch>;

/// Every loop over the loader is one epoch:
///
///   DataLoader batches(train, {.batch_size = 64, .shuffle = true});
///   for (const auto& [inputs, labels] : batches) { ... }
///
/// A batch is two tensors; a TypedLoader makes batches of any type.
///
/// An error in a dataset or transform is thrown from the loop at its batch, with its own type if that is an Error, else
/// as an Error. The message begins with the index of the example in the dataset: "DataLoader: example 17 (batch 2 of
/// epoch 0): ...". That batch does not count as done: continuing, with the same iterator or from a state, makes it
/// again.
class DataLoader : public LoaderBase {
 public:
  /// Keeps a copy of the dataset, which may be any indexable object, such as a std::vector<Example>; see collate.hpp.
  /// (The library's datasets are cheap handles.) Throws ValueError for options out of range and for a dataset that has
  /// no batch.
  template <DatasetLike D>
  explicit DataLoader(D dataset, const DataLoaderOptions& options = {})
      : DataLoader(share_dataset(std::move(dataset)), options) {}
  DataLoader(DatasetPtr dataset, const DataLoaderOptions& options);

  /// One pass over the data.
  using Iterator = BatchIterator<Batch>;
  /// Starts the next epoch.
  Iterator begin() { return Iterator(begin_loop()); }
};

}  // namespace normgrad
