// What the loaders of indexed examples have in common, whatever their batches are: options, order, position and state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/data/dataset.hpp"
#include "normgrad/data/sampler.hpp"

namespace normgrad {

class Generator;
class LoaderBase;

/// Options of a loader whose batches are of type B; names and defaults are PyTorch's.
template <class B>
struct LoaderOptions {
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
  /// number. If the system refuses threads, the loader logs a warning and uses those that it got. Datasets, collate
  /// functions and transforms are used on several threads at once.
  int num_workers = 0;
  /// Batches prefetched per worker.
  int prefetch_factor = 2;
  /// Determines which examples form an epoch, and their order; replaces `shuffle`.
  std::shared_ptr<Sampler> sampler = nullptr;
  /// Applied to every batch, in the workers. Draws only from `generator`, which is determined by the loader's seed, the
  /// epoch and the index of the batch.
  std::function<B(B batch, Generator& generator)> transform = nullptr;
};

/// Options of a DataLoader.
using DataLoaderOptions = LoaderOptions<Batch>;

namespace detail {

class BatchSource;
struct EpochPlan;
class Prefetcher;

/// Progress of a loop; shared by its iterators and their loader.
struct LoopPosition {
  std::int64_t epoch = 0;
  std::int64_t next_batch = 0;
  std::shared_ptr<const EpochPlan> plan = nullptr;  // of the epoch in progress
};

/// One loop over a loader: the batch at which it is, and who makes it. Copies share the workers.
class Loop {
 public:
  /// Returns the batch, made now (anew on each call) or by a worker, which keeps it until the next one is requested.
  std::shared_ptr<const void> batch();
  /// Advances to the next batch, or repeats the same one if making it failed.
  void advance();
  bool is_at_end() const noexcept { return batch_ == num_batches_; }

 private:
  friend class normgrad::LoaderBase;
  std::shared_ptr<const EpochPlan> plan_;
  std::shared_ptr<Prefetcher> prefetcher_;  // null without workers
  std::int64_t num_batches_ = 0;
  std::int64_t batch_ = 0;
  std::shared_ptr<LoopPosition> position_;
  bool failed_ = false;  // making the batch failed
};

/// Makes the batches of a loader, of a type that only the loader knows. Used on several threads at once.
class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource();
  /// Returns the number of examples.
  virtual std::int64_t size() const = 0;
  /// Returns the batch of the examples with these indices.
  virtual std::shared_ptr<void> batch(std::span<const std::int64_t> indices) const = 0;
  /// Applies the transform of the loader, if there is one.
  virtual std::shared_ptr<void> transformed(std::shared_ptr<void> batch, Generator& generator) const = 0;
};

/// Returns the options other than the transform.
template <class B>
DataLoaderOptions without_transform(const LoaderOptions<B>& options) {
  return {.batch_size = options.batch_size,
          .shuffle = options.shuffle,
          .drop_last = options.drop_last,
          .seed = options.seed,
          .num_workers = options.num_workers,
          .prefetch_factor = options.prefetch_factor,
          .sampler = options.sampler};
}

}  // namespace detail

/// One pass over the data in batches of type B, independent of the loader once created. Copies share the workers.
template <class B>
class BatchIterator {
 public:
  using value_type = B;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  /// Constructs an iterator at the end.
  BatchIterator() = default;
  /// Created by begin() of a loader.
  explicit BatchIterator(detail::Loop loop) : loop_(std::move(loop)) {}

  /// Returns the batch, made now (anew on each call) or by a worker. The iterator owns it until the next ++, so that
  /// `for (auto& [inputs, targets] : loader)` also compiles.
  B& operator*() const& { return current_.emplace(*static_cast<const B*>(loop_.batch().get())); }
  /// For a temporary iterator, as in `*loader.begin()`: returns a batch that outlives it.
  B operator*() const&& { return std::move(**this); }
  /// Advances to the next batch, or repeats the same one if making it failed.
  BatchIterator& operator++() {
    current_.reset();  // releases its memory for the next batch
    loop_.advance();
    return *this;
  }
  void operator++(int) { ++*this; }  ///< advances
  friend bool operator==(const BatchIterator& it, std::default_sentinel_t) noexcept { return it.loop_.is_at_end(); }

 private:
  mutable detail::Loop loop_;
  mutable std::optional<B> current_;  // last result of *
};

/// The order, the position and the state of a DataLoader or a TypedLoader.
class LoaderBase {
 public:
  std::default_sentinel_t end() const noexcept { return {}; }  ///< the end of every loop

  /// Returns the number of batches per epoch.
  std::int64_t num_batches() const noexcept { return num_batches_; }
  /// Returns the number of examples in the last batch of an epoch, from 1 to batch_size.
  std::int64_t last_batch_size() const noexcept;
  /// Returns the number of examples in the dataset.
  std::int64_t num_examples() const noexcept;
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

 protected:
  /// `name` begins the messages and is a literal. Throws ValueError for options out of range and for a source that has
  /// no batch. The source, not options.transform, transforms.
  LoaderBase(const char* name, std::shared_ptr<const detail::BatchSource> source, const DataLoaderOptions& options);
  /// Starts the next epoch.
  detail::Loop begin_loop();

 private:
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

  std::int64_t entry_of(const StateDict& state, const char* name) const;
  std::shared_ptr<Sampler> own_sampler(std::uint64_t seed) const;
  std::vector<std::int64_t> order_of_next_epoch() const;

  const char* name_;
  std::shared_ptr<const detail::BatchSource> source_;
  DataLoaderOptions options_;
  std::uint64_t seed_ = 0;
  std::int64_t num_batches_ = 0;
  std::int64_t epoch_ = 0;
  // Start of the next begin(); an empty order means the sampler's.
  std::int64_t first_batch_ = 0;
  std::vector<std::int64_t> first_order_;
  bool own_sampler_ = false;  // created here according to `shuffle`
  std::shared_ptr<detail::LoopPosition> position_;
};

}  // namespace normgrad
