// DataLoader: goes through a dataset in batches.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/data/dataset.hpp"

namespace normgrad {

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  /// A new random order in every epoch.
  bool shuffle = false;
  /// Leave out a last batch of fewer than batch_size examples.
  bool drop_last = false;
  /// The order of epoch e depends on this and e only: not on the default generator, and not on earlier epochs.
  std::uint64_t seed = 0;
};

/// Every loop over it is one epoch:
///
///   DataLoader batches(train, {.batch_size = 64, .shuffle = true});
///   for (const auto& [inputs, labels] : batches) { ... }
class DataLoader {
 public:
  /// Keeps a copy of the dataset (the datasets here are cheap handles). Throws ValueError for batch_size < 1 and for a
  /// dataset that gives no batch at all.
  template <class D>
  explicit DataLoader(D dataset, const DataLoaderOptions& options = {})
      : DataLoader(std::static_pointer_cast<const Dataset>(std::make_shared<const D>(std::move(dataset))), options) {}
  DataLoader(std::shared_ptr<const Dataset> dataset, const DataLoaderOptions& options);

  class Iterator;
  /// Starts the next epoch.
  Iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Batches in an epoch.
  std::int64_t num_batches() const noexcept { return num_batches_; }
  /// Examples in the dataset.
  std::int64_t num_examples() const noexcept { return dataset_->size(); }
  /// The epoch that the next begin() starts; from 0.
  std::int64_t epoch() const noexcept { return epoch_; }
  void set_epoch(std::int64_t epoch) noexcept {
    epoch_ = epoch;
    first_batch_ = 0;
    position_ = nullptr;
  }
  /// The numbers of the examples in the order of an epoch.
  std::vector<std::int64_t> order(std::int64_t epoch) const;

  /// Where the newest loop stands, and what the order depends on: "epoch", "batch", "seed" and so on. Taken inside the
  /// loop the batch at hand counts as done: the epoch goes on with the one after it (after the last one, with none).
  StateDict state_dict() const;
  /// The next begin() goes on there, in the middle of an epoch if need be. Throws ValueError, and changes nothing, when
  /// entries are missing or unknown, or when this loader would give other batches than the one of that state.
  void load_state_dict(const StateDict& state);

 private:
  /// How far an iteration has come; shared by the iterator and its loader.
  struct Position {
    std::int64_t epoch = 0;
    std::int64_t next_batch = 0;
  };

  std::shared_ptr<const Dataset> dataset_;
  DataLoaderOptions options_;
  std::int64_t num_batches_ = 0;
  std::int64_t epoch_ = 0;
  std::int64_t first_batch_ = 0;  // of the next begin()
  std::shared_ptr<Position> position_;
};

/// One pass; independent of the loader once made.
class DataLoader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  /// Makes the batch; each call makes it anew.
  Batch operator*() const;
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.batch_ == it.num_batches_; }

 private:
  friend class DataLoader;
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> order_;
  std::int64_t batch_size_ = 1;
  std::int64_t num_batches_ = 0;
  std::int64_t batch_ = 0;
  std::shared_ptr<Position> position_;
};

}  // namespace normgrad
