// DataLoader: goes through a dataset in batches.
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

/// Changes a batch at random, drawing from `generator` alone, which is a function of the loader's seed, the epoch and
/// the number of the batch. compose() of image_transform.hpp makes one. With workers it is called on several threads.
using BatchTransform = std::function<Batch(Batch batch, Generator& generator)>;

/// Options of a DataLoader; names and defaults are PyTorch's.
struct DataLoaderOptions {
  /// Examples in a batch.
  std::int64_t batch_size = 1;
  /// A new random order in every epoch.
  bool shuffle = false;
  /// Leave out a last batch of fewer than batch_size examples. Off by default, as PyTorch's: then a last batch may hold
  /// one example, which batch norms cannot train with (see check_batches()).
  bool drop_last = false;
  /// The order of epoch e, and what the transform draws, depend on this and e only: not on numbers that were drawn, and
  /// not on earlier epochs. nullopt: made from the seed that manual_seed() has set when the loader is made, so that
  /// another seed of a run gives another order, too; a loaded state brings the seed that it was saved with.
  std::optional<std::uint64_t> seed = std::nullopt;
  /// Threads that make batches ahead of time; 0: batches are made when they are asked for. The batches are the same,
  /// bit for bit, with any number of them, so where the system refuses threads the loader warns and does with those
  /// that it got. Datasets and transforms are used on several threads at once.
  int num_workers = 0;
  /// Batches that are made ahead, for each worker.
  int prefetch_factor = 2;
  /// Which examples an epoch consists of, and their order; instead of `shuffle`.
  std::shared_ptr<Sampler> sampler = nullptr;
  /// Applied to every batch, in the workers.
  BatchTransform transform = nullptr;
};

namespace detail {
struct EpochPlan;
class Prefetcher;
}  // namespace detail

/// Every loop over it is one epoch:
///
///   DataLoader batches(train, {.batch_size = 64, .shuffle = true});
///   for (const auto& [inputs, labels] : batches) { ... }
///
/// An error in a dataset or transform reaches the loop at the batch where it happened, as the type that it was if that
/// is an Error, else as an Error, with a text that begins with the number of the example in the dataset:
/// "DataLoader: example 17 (batch 2 of epoch 0): ...". That batch is not done: going on, with the same iterator or
/// from a state, makes it again.
class DataLoader {
 public:
  /// Keeps a copy of the dataset (the datasets here are cheap handles), which may be any indexable object, such as a
  /// std::vector<Example>: see collate.hpp. Throws ValueError for options out of range and for a dataset that gives no
  /// batch at all.
  template <DatasetLike D>
  explicit DataLoader(D dataset, const DataLoaderOptions& options = {})
      : DataLoader(share_dataset(std::move(dataset)), options) {}
  DataLoader(DatasetPtr dataset, const DataLoaderOptions& options);

  class Iterator;
  /// Starts the next epoch.
  Iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Batches in an epoch.
  std::int64_t num_batches() const noexcept { return num_batches_; }
  /// Examples in the last batch of an epoch, from 1 to batch_size.
  std::int64_t last_batch_size() const noexcept;
  /// Examples in the dataset.
  std::int64_t num_examples() const noexcept { return dataset_->size(); }
  /// The epoch that the next begin() starts; from 0.
  std::int64_t epoch() const noexcept { return epoch_; }
  /// Throws ValueError for a negative one.
  void set_epoch(std::int64_t epoch);
  /// What the orders depend on: options.seed, or what was made of the global seed.
  std::uint64_t seed() const noexcept { return seed_; }
  /// The numbers of the examples in the order of an epoch.
  std::vector<std::int64_t> order(std::int64_t epoch) const;

  /// Where the newest loop stands, and what the order depends on: "epoch", "batch", "seed", "sampler.weights" and so
  /// on. Taken inside the loop the batch at hand counts as done: the epoch goes on with the one after it (after the
  /// last one, with none). A batch that failed is not done: the epoch goes on with it.
  StateDict state_dict() const;
  /// The next begin() goes on there, in the middle of an epoch if need be; options.sampler loads its part. Throws
  /// ValueError, and changes nothing, when entries are missing or unknown, or when this loader would give other batches
  /// than the one of that state. Without options.seed it takes over the state's.
  void load_state_dict(const StateDict& state);
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns does the
  /// rest and does not throw. Empty when options.sampler cannot prepare. The loader must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 private:
  /// How far an iteration has come; shared by the iterator and its loader.
  struct Position {
    std::int64_t epoch = 0;
    std::int64_t next_batch = 0;
    std::shared_ptr<const detail::EpochPlan> plan = nullptr;  // of an epoch under way
  };

  /// Where a state goes on.
  struct Start {
    std::shared_ptr<Sampler> own_sampler;  // where the seed is another one
    StateDict of_sampler;                  // of a sampler that the loader was given
    std::uint64_t seed = 0;
    std::int64_t epoch = 0;
    std::int64_t batch = 0;
    std::vector<std::int64_t> order;  // of the epoch under way, where the sampler would give another one now
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
  // Of the next begin(); without an order the sampler's.
  std::int64_t first_batch_ = 0;
  std::vector<std::int64_t> first_order_;
  bool own_sampler_ = false;  // made here, as `shuffle` says
  std::shared_ptr<Position> position_;
};

/// One pass; independent of the loader once made. Copies share the workers.
class DataLoader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  /// The batch, made now (each call makes it anew) or by a worker. It is the iterator's until the next ++, so that
  /// `for (auto& [inputs, targets] : loader)` compiles, too.
  Batch& operator*() const&;
  /// Of a temporary, as in `*loader.begin()`: a batch that outlives it.
  Batch operator*() const&&;
  /// The next batch; the same one once more when making it has failed.
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
  mutable bool failed_ = false;  // making the batch did
  mutable Batch current_;        // what * gave last
};

}  // namespace normgrad
