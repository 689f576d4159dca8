// DataLoader: iterates over a dataset in batches.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/data/collate.hpp"
#include "normgrad/data/dataset.hpp"
#include "normgrad/data/sampler.hpp"

namespace normgrad {

class Generator;

/// Changes a batch at random. Draws only from `generator`, which is determined by the loader's seed, the epoch and the
/// index of the batch. Created by compose() of image_transform.hpp. With workers it is called on several threads.
using BatchTransform = std::function<Batch(Batch batch, Generator& generator)>;

/// Options of a DataLoader; names and defaults are PyTorch's.
struct DataLoaderOptions {
  /// Examples per batch.
  std::int64_t batch_size = 1;
  /// Use a new random order in every epoch.
  bool shuffle = false;
  /// Drop a last batch of fewer than batch_size examples. Off by default, as in PyTorch: the last batch may then hold
  /// one example, with which batch norms cannot train (see check_batches()).
  bool drop_last = false;
  /// Determines, together with the epoch, the order of the examples and the draws of the transform; earlier draws and
  /// epochs have no effect. nullopt: derived, at construction, from the seed set by manual_seed(), so that another seed
  /// of a run also gives another order. A loaded state then restores the seed that was saved.
  std::optional<std::uint64_t> seed = std::nullopt;
  /// Threads that prefetch batches; 0: batches are made on demand. The batches are the same, bit for bit, for any
  /// number. If the system refuses threads, the loader logs a warning and uses those that it got. Datasets and
  /// transforms are used on several threads at once.
  int num_workers = 0;
  /// Batches prefetched per worker.
  int prefetch_factor = 2;
  /// Determines which examples form an epoch, and their order; replaces `shuffle`.
  std::shared_ptr<Sampler> sampler = nullptr;
  /// Applied to every batch, in the workers.
  BatchTransform transform = nullptr;
};

namespace detail {
struct EpochPlan;
class Prefetcher;
}  // namespace detail

/// Every loop over the loader is one epoch:
///
///   DataLoader batches(train, {.batch_size = 64, .shuffle = true});
///   for (const auto& [inputs, labels] : batches) { ... }
///
/// An error in a dataset or transform is thrown from the loop at its batch, with its own type if that is an Error, else
/// as an Error. The message begins with the index of the example in the dataset: "DataLoader: example 17 (batch 2 of
/// epoch 0): ...". That batch does not count as done: continuing, with the same iterator or from a state, makes it
/// again.
class DataLoader {
 public:
  /// Keeps a copy of the dataset, which may be any indexable object, such as a std::vector<Example>; see collate.hpp.
  /// (The library's datasets are cheap handles.) Throws ValueError for options out of range and for a dataset that has
  /// no batch.
  template <DatasetLike D>
  explicit DataLoader(D dataset, const DataLoaderOptions& options = {})
      : DataLoader(share_dataset(std::move(dataset)), options) {}
  DataLoader(DatasetPtr dataset, const DataLoaderOptions& options);

  class Iterator;
  /// Starts the next epoch.
  Iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Returns the number of batches per epoch.
  std::int64_t num_batches() const noexcept { return num_batches_; }
  /// Returns the number of examples in the last batch of an epoch, from 1 to batch_size.
  std::int64_t last_batch_size() const noexcept;
  /// Returns the number of examples in the dataset.
  std::int64_t num_examples() const noexcept { return dataset_->size(); }
  /// Returns the epoch that the next begin() starts, from 0.
  std::int64_t epoch() const noexcept { return epoch_; }
  /// Sets the epoch that the next begin() starts. Throws ValueError if it is negative.
  void set_epoch(std::int64_t epoch);
  /// Returns the seed of the orders: options.seed, or the one derived from the global seed.
  std::uint64_t seed() const noexcept { return seed_; }
  /// Returns the indices of the examples in the order of an epoch.
  std::vector<std::int64_t> order(std::int64_t epoch) const;

  /// Returns the position of the newest loop and the data that determines the order: "epoch", "batch", "seed",
  /// "sampler.weights" and so on. Inside the loop the current batch counts as done: the epoch resumes with the next
  /// batch (after the last one, with none). A batch that failed is not done: the epoch resumes with it.
  StateDict state_dict() const;
  /// Makes the next begin() resume there, in the middle of an epoch if necessary; options.sampler loads its part.
  /// Throws ValueError, changing nothing, if entries are missing or unknown, or if this loader would give other batches
  /// than the one that was saved. Without options.seed the seed of the state is used.
  void load_state_dict(const StateDict& state);
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw; call it once. It is empty if options.sampler does not
  /// support this. The loader must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 private:
  /// Progress of an iteration; shared by the iterator and its loader.
  struct Position {
    std::int64_t epoch = 0;
    std::int64_t next_batch = 0;
    std::shared_ptr<const detail::EpochPlan> plan = nullptr;  // of the epoch in progress
  };

  /// Position restored from a state.
  struct Start {
    std::shared_ptr<Sampler> own_sampler;  // set if the seed differs
    StateDict of_sampler;                  // state of a user-provided sampler
    std::uint64_t seed = 0;
    std::int64_t epoch = 0;
    std::int64_t batch = 0;
    std::vector<std::int64_t> order;  // of the epoch in progress, if the sampler would now give another one
  };
  Start start_of(const StateDict& state) const;
  void go_on(Start& start) noexcept;

  std::shared_ptr<Sampler> own_sampler(std::uint64_t seed) const;
  std::vector<std::int64_t> order_of_next_epoch() const;

  DatasetPtr dataset_;
  DataLoaderOptions options_;
  std::uint64_t seed_ = 0;
  std::int64_t num_batches_ = 0;
  std::int64_t epoch_ = 0;
  // Start of the next begin(); an empty order means the sampler's.
  std::int64_t first_batch_ = 0;
  std::vector<std::int64_t> first_order_;
  bool own_sampler_ = false;  // created here according to `shuffle`
  std::shared_ptr<Position> position_;
};

/// One pass over the data, independent of the loader once created. Copies share the workers.
class DataLoader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  /// Returns the batch, made now (anew on each call) or by a worker. The iterator owns it until the next ++, so that
  /// `for (auto& [inputs, targets] : loader)` also compiles.
  Batch& operator*() const&;
  /// For a temporary iterator, as in `*loader.begin()`: returns a batch that outlives it.
  Batch operator*() const&&;
  /// Advances to the next batch, or repeats the same one if making it failed.
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.batch_ == it.num_batches_; }

 private:
  friend class DataLoader;
  std::shared_ptr<const detail::EpochPlan> plan_;
  std::shared_ptr<detail::Prefetcher> prefetcher_;  // null without workers
  std::int64_t num_batches_ = 0;
  std::int64_t batch_ = 0;
  std::shared_ptr<Position> position_;
  mutable bool failed_ = false;  // making the batch failed
  mutable Batch current_;        // last result of *
};

}  // namespace normgrad
