// StreamLoader: batches of examples whose number is not known in advance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/data/collate.hpp"
#include "normgrad/data/loader.hpp"

namespace normgrad {

/// One pass over a stream: returns the next example, or std::nullopt at its end, which need not come.
using ExampleStream = std::function<std::optional<Example>()>;

/// Options of a StreamLoader.
struct StreamLoaderOptions {
  /// Examples per batch.
  std::int64_t batch_size = 1;
  /// Drop a last batch of fewer than batch_size examples.
  bool drop_last = false;
  /// Examples that are held to shuffle the stream: each one given is drawn from those held, and the next of the stream
  /// takes its place. 0 or 1: the order of the stream.
  std::int64_t shuffle_buffer = 0;
  /// Determines, together with the epoch, the draws from the buffer and those of the transform. nullopt: derived from
  /// the global seed, like DataLoaderOptions::seed.
  std::optional<std::uint64_t> seed = std::nullopt;
  /// Makes a batch of examples, for instance with pad_sequence().
  std::function<Batch(const std::vector<Example>& examples)> collate = normgrad::collate;
  /// Applied to every batch.
  BatchTransform transform = nullptr;
};

namespace detail {
class StreamPass;
struct StreamPosition;
}  // namespace detail

/// Iterates in batches over examples that come one after the other: lines of a file, the output of a generator,
/// messages. PyTorch's DataLoader of an IterableDataset. Every loop is one epoch:
///
///   StreamLoader batches([](std::int64_t epoch) -> ExampleStream {
///     return [file = std::make_shared<std::ifstream>("lines.txt")]() -> std::optional<Example> { ... };
///   }, {.batch_size = 64, .shuffle_buffer = 10'000});
///   for (const auto& [inputs, labels] : batches) { ... }
///
/// Examples are read in the loop, without workers. An error in the stream, in `collate` or in the transform is thrown
/// from begin() or ++, with its own type if that is an Error, and its place: "StreamLoader: batch 2 of epoch 0: ...".
/// That ends the loop; the epoch resumes from a state with the batch that failed.
class StreamLoader {
 public:
  /// open(epoch) begins a pass over the stream. Throws ValueError for options out of range.
  explicit StreamLoader(std::function<ExampleStream(std::int64_t epoch)> open, StreamLoaderOptions options = {});

  class Iterator;
  /// Starts the next epoch, and makes its first batch.
  Iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Returns the epoch that the next begin() starts, from 0.
  std::int64_t epoch() const noexcept { return epoch_; }
  /// Sets the epoch that the next begin() starts. Throws ValueError if it is negative.
  void set_epoch(std::int64_t epoch);
  /// Returns the seed of the draws: options.seed, or the one derived from the global seed.
  std::uint64_t seed() const noexcept { return seed_; }

  /// Returns the position of the newest loop, "epoch" and "batch", and the options that determine the batches. Inside
  /// the loop the current batch counts as done.
  ///
  /// The position of the stream itself is unknown. A loader that resumes opens the stream of the epoch again and reads
  /// the examples of the batches that were done, without collating them. The batches are the same if open(epoch) gives
  /// the same examples again; ValueError if it gives fewer.
  StateDict state_dict() const;
  /// Makes the next begin() resume there. Throws ValueError, changing nothing, if entries are missing or unknown, or if
  /// this loader would give other batches. Without options.seed the seed of the state is used.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw. The loader must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state);

 private:
  std::function<ExampleStream(std::int64_t epoch)> open_;
  std::shared_ptr<const StreamLoaderOptions> options_;
  std::uint64_t seed_ = 0;
  std::int64_t epoch_ = 0;
  std::int64_t first_batch_ = 0;  // of the next begin()
  std::shared_ptr<detail::StreamPosition> position_;
};

/// One pass over the stream. Copies share its position.
class StreamLoader::Iterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  /// Returns the current batch. The iterator owns it until the next ++.
  Batch& operator*() const;
  /// Makes the next batch.
  Iterator& operator++();
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& it, std::default_sentinel_t) noexcept { return it.is_at_end(); }

 private:
  friend class StreamLoader;
  bool is_at_end() const noexcept;
  std::shared_ptr<detail::StreamPass> pass_;
};

}  // namespace normgrad
