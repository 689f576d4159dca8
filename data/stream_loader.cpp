#include "normgrad/data/stream_loader.hpp"

#include <bit>
#include <string>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/data/detail/epoch_order.hpp"
#include "normgrad/data/detail/of_batch.hpp"
#include "normgrad/data/detail/state_entries.hpp"

namespace normgrad {

using detail::whole_number;

namespace detail {

/// Progress of an epoch, shared by its iterators and the loader.
struct StreamPosition {
  std::int64_t epoch = 0;
  std::int64_t next_batch = 0;
};

/// One pass over a stream, whose examples go through the buffer.
class StreamPass {
 public:
  StreamPass(ExampleStream stream, std::shared_ptr<const StreamLoaderOptions> options, std::uint64_t seed,
             std::shared_ptr<StreamPosition> position)
      : stream_(std::move(stream)),
        options_(std::move(options)),
        seed_(seed),
        generator_(generator_of_epoch(seed, position->epoch)),
        position_(std::move(position)) {
    require<ValueError>(stream_ != nullptr,
                        "StreamLoader: expected open() to return a stream but got an empty function");
  }

  /// Reads the examples of the batches before `first`, and makes that one.
  void start_at(std::int64_t first) {
    position_->next_batch = first;
    try {
      for (std::int64_t batch = 0; batch < first; ++batch) {
        require<ValueError>(!next_examples().empty(), "the stream ended after ", batch, " batches, but ", first,
                            " were done when the state was saved; expected open() to give the same examples again");
      }
    } catch (const std::exception& error) {
      fail_with("before ", error);
    }
    advance();
  }

  /// Makes the next batch, or ends.
  void advance() {
    batch_ = {};
    at_end_ = true;  // unless a batch is made
    const std::int64_t number = position_->next_batch;
    const NoGradGuard no_grad;
    try {
      const std::vector<Example> examples = next_examples();
      if (examples.empty()) {
        *position_ = {.epoch = position_->epoch + 1, .next_batch = 0};
        return;
      }
      batch_ = options_->collate(examples);
      if (options_->transform) {
        Generator generator = generator_of_batch(seed_, position_->epoch, number);
        batch_ = options_->transform(std::move(batch_), generator);
      }
    } catch (const std::exception& error) {
      fail_with("", error);
    }
    at_end_ = false;
    position_->next_batch = number + 1;
  }

  bool is_at_end() const noexcept { return at_end_; }
  Batch& batch() noexcept { return batch_; }

 private:
  [[noreturn]] void fail_with(const char* what, const std::exception& error) {
    at_end_ = true;
    rethrow_with(concat("StreamLoader: ", what, "batch ", position_->next_batch, " of epoch ", position_->epoch),
                 error);
  }

  // Returns none at the end.
  std::vector<Example> next_examples() {
    std::vector<Example> examples;
    while (std::ssize(examples) < options_->batch_size) {
      std::optional<Example> example = next_shuffled();
      if (!example) {
        break;
      }
      examples.push_back(std::move(*example));
    }
    if (options_->drop_last && std::ssize(examples) < options_->batch_size) {
      examples.clear();
    }
    return examples;
  }

  std::optional<Example> next_shuffled() {
    if (options_->shuffle_buffer <= 1) {
      return next_of_stream();
    }
    while (std::ssize(held_) < options_->shuffle_buffer) {
      std::optional<Example> next = next_of_stream();
      if (!next) {
        break;
      }
      held_.push_back(std::move(*next));
    }
    if (held_.empty()) {
      return std::nullopt;
    }
    std::swap(held_[generator_.below(held_.size())], held_.back());
    Example drawn = std::move(held_.back());
    held_.pop_back();
    return drawn;
  }

  // A stream is not called again after its end.
  std::optional<Example> next_of_stream() {
    std::optional<Example> next = ended_ ? std::nullopt : stream_();
    ended_ = !next.has_value();
    return next;
  }

  ExampleStream stream_;
  std::shared_ptr<const StreamLoaderOptions> options_;
  std::uint64_t seed_;
  Generator generator_;
  std::shared_ptr<StreamPosition> position_;
  std::vector<Example> held_;
  Batch batch_;
  bool ended_ = false;
  bool at_end_ = false;
};

}  // namespace detail

StreamLoader::StreamLoader(std::function<ExampleStream(std::int64_t epoch)> open, StreamLoaderOptions options)
    : open_(std::move(open)), seed_(detail::seed_or_global(options.seed)) {
  require<ValueError>(open_ != nullptr, "StreamLoader: expected a function that opens the stream but got none");
  require<ValueError>(options.collate != nullptr, "StreamLoader: expected a collate function but got none");
  require<ValueError>(options.batch_size >= 1, "StreamLoader: expected batch_size >= 1 but got ", options.batch_size);
  require<ValueError>(options.shuffle_buffer >= 0, "StreamLoader: expected shuffle_buffer >= 0 but got ",
                      options.shuffle_buffer);
  options_ = std::make_shared<const StreamLoaderOptions>(std::move(options));
}

void StreamLoader::set_epoch(std::int64_t epoch) {
  require<ValueError>(epoch >= 0, "StreamLoader: expected epoch >= 0 but got ", epoch);
  epoch_ = epoch;
  first_batch_ = 0;
  position_ = nullptr;
}

StreamLoader::Iterator StreamLoader::begin() {
  const auto position = std::make_shared<detail::StreamPosition>(detail::StreamPosition{.epoch = epoch_});
  Iterator it;
  it.pass_ = std::make_shared<detail::StreamPass>(open_(epoch_), options_, seed_, position);
  position_ = nullptr;  // if this fails, the next begin() starts there again
  it.pass_->start_at(first_batch_);
  position_ = position;
  ++epoch_;
  first_batch_ = 0;
  return it;
}

StateDict StreamLoader::state_dict() const {
  return {{"epoch", whole_number(position_ != nullptr ? position_->epoch : epoch_)},
          {"batch", whole_number(position_ != nullptr ? position_->next_batch : first_batch_)},
          {"batch_size", whole_number(options_->batch_size)},
          {"drop_last", whole_number(options_->drop_last ? 1 : 0)},
          {"shuffle_buffer", whole_number(options_->shuffle_buffer)},
          {"seed", whole_number(std::bit_cast<std::int64_t>(seed_))}};
}

std::function<void()> StreamLoader::prepare_state_dict(const StateDict& state) {
  const StateDict own = state_dict();
  const auto entry_of = [](const StateDict& from, const std::string& name) {
    const auto found = from.find(name);
    require<ValueError>(
        found != from.end() && found->second.defined() && found->second.dtype() == kInt64 && found->second.numel() == 1,
        "StreamLoader: load_state_dict: expected a whole number '", name, "'");
    return *found->second.data<std::int64_t>();
  };
  for (const auto& [name, value] : state) {
    require<ValueError>(own.contains(name), "StreamLoader: load_state_dict: unexpected entry '", name, "'");
  }
  for (const char* name : {"batch_size", "drop_last", "shuffle_buffer", "seed"}) {
    if (name != std::string("seed") || options_->seed) {
      require<ValueError>(entry_of(state, name) == entry_of(own, name), "StreamLoader: load_state_dict: expected ",
                          name, " ", entry_of(own, name), " but the state is from a loader with ",
                          entry_of(state, name), ", which makes other batches");
    }
  }
  const std::int64_t epoch = entry_of(state, "epoch");
  const std::int64_t batch = entry_of(state, "batch");
  const auto seed = std::bit_cast<std::uint64_t>(entry_of(state, "seed"));
  require<ValueError>(epoch >= 0 && batch >= 0, "StreamLoader: load_state_dict: expected epoch >= 0 and batch >= 0 ",
                      "but got ", epoch, " and ", batch);
  return [this, epoch, batch, seed] {
    set_epoch(epoch);
    first_batch_ = batch;
    seed_ = seed;
  };
}

Batch& StreamLoader::Iterator::operator*() const { return pass_->batch(); }

StreamLoader::Iterator& StreamLoader::Iterator::operator++() {
  pass_->advance();
  return *this;
}

bool StreamLoader::Iterator::is_at_end() const noexcept { return pass_->is_at_end(); }

}  // namespace normgrad
