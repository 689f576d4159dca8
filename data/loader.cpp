#include "normgrad/data/loader.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {
// A shuffle of fewer than 2^31 examples draws less than this, so the epochs' stretches of the stream do not meet.
constexpr int kDrawsPerEpochBits = 36;
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
  Iterator it;
  it.dataset_ = dataset_;
  it.order_ = order(epoch_++);
  it.batch_size_ = options_.batch_size;
  it.num_batches_ = num_batches_;
  return it;
}

Batch DataLoader::Iterator::operator*() const {
  const std::span<const std::int64_t> order = order_;
  const auto begin = static_cast<std::size_t>(batch_ * batch_size_);
  return dataset_->batch(order.subspan(begin, std::min(static_cast<std::size_t>(batch_size_), order.size() - begin)));
}

}  // namespace normgrad
