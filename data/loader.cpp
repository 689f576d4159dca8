#include "normgrad/data/loader.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {
// A shuffle of fewer than 2^31 examples draws less than this, so the epochs' stretches of the stream do not meet.
constexpr int kDrawsPerEpochBits = 36;

Tensor whole_number(std::int64_t value) {
  Tensor tensor = Tensor::empty({}, kInt64);
  *tensor.mutable_data<std::int64_t>() = value;
  return tensor;
}

std::int64_t entry_of(const StateDict& state, const char* name) {
  const auto found = state.find(name);
  require<ValueError>(
      found != state.end() && found->second.defined() && found->second.dtype() == kInt64 && found->second.numel() == 1,
      "DataLoader: load_state_dict: expected a whole number '", name, "'");
  return *found->second.data<std::int64_t>();
}
}  // namespace

DataLoader::DataLoader(std::shared_ptr<const Dataset> dataset, const DataLoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  require<ValueError>(options.batch_size >= 1, "DataLoader: expected a batch_size of at least 1 but got ",
                      options.batch_size);
  const std::int64_t size = dataset_->size();
  num_batches_ = (size + (options.drop_last ? 0 : options.batch_size - 1)) / options.batch_size;
  require<ValueError>(num_batches_ > 0, "DataLoader: expected a dataset of at least ",
                      options.drop_last ? options.batch_size : 1, " examples but got ", size);
}

std::vector<std::int64_t> DataLoader::order(std::int64_t epoch) const {
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset_->size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (options_.shuffle) {
    Generator generator(options_.seed);
    generator.set_position(static_cast<std::uint64_t>(epoch) << kDrawsPerEpochBits);
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[generator.below(i)]);
    }
  }
  return order;
}

DataLoader::Iterator DataLoader::begin() {
  position_ = std::make_shared<Position>(Position{.epoch = epoch_, .next_batch = std::exchange(first_batch_, 0)});
  Iterator it;
  it.dataset_ = dataset_;
  it.order_ = order(epoch_++);
  it.batch_size_ = options_.batch_size;
  it.num_batches_ = num_batches_;
  it.batch_ = position_->next_batch;
  it.position_ = position_;
  if (it.batch_ == num_batches_) {
    *position_ = {.epoch = epoch_, .next_batch = 0};
  }
  return it;
}

StateDict DataLoader::state_dict() const {
  const Position position = position_ != nullptr ? *position_ : Position{epoch_, first_batch_};
  return {{"epoch", whole_number(position.epoch)},
          {"batch", whole_number(position.next_batch)},
          {"batch_size", whole_number(options_.batch_size)},
          {"num_examples", whole_number(num_examples())},
          {"drop_last", whole_number(options_.drop_last ? 1 : 0)},
          {"shuffle", whole_number(options_.shuffle ? 1 : 0)},
          {"seed", whole_number(std::bit_cast<std::int64_t>(options_.seed))}};
}

void DataLoader::load_state_dict(const StateDict& state) {
  const StateDict own = state_dict();
  for (const auto& [name, value] : state) {
    require<ValueError>(own.contains(name), "DataLoader: load_state_dict: unexpected entry '", name, "'");
  }
  for (const char* name : {"batch_size", "num_examples", "drop_last", "shuffle", "seed"}) {
    require<ValueError>(entry_of(state, name) == entry_of(own, name), "DataLoader: load_state_dict: expected ", name,
                        " ", entry_of(own, name), " but the state is of a loader with ", entry_of(state, name),
                        ", which gives other batches");
  }
  const std::int64_t epoch = entry_of(state, "epoch");
  const std::int64_t batch = entry_of(state, "batch");
  require<ValueError>(epoch >= 0 && batch >= 0 && batch <= num_batches_, "DataLoader: load_state_dict: expected an ",
                      "epoch of at least 0 and a batch from 0 to ", num_batches_, " but got ", epoch, " and ", batch);
  set_epoch(epoch);
  first_batch_ = batch;
}

Batch DataLoader::Iterator::operator*() const {
  position_->next_batch = batch_ + 1;
  const std::span<const std::int64_t> order = order_;
  const auto begin = static_cast<std::size_t>(batch_ * batch_size_);
  return dataset_->batch(order.subspan(begin, std::min(static_cast<std::size_t>(batch_size_), order.size() - begin)));
}

DataLoader::Iterator& DataLoader::Iterator::operator++() {
  position_->next_batch = ++batch_;
  if (batch_ == num_batches_) {
    *position_ = {.epoch = position_->epoch + 1, .next_batch = 0};
  }
  return *this;
}

}  // namespace normgrad
