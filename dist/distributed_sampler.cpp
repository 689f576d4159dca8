#include "normgrad/dist/distributed_sampler.hpp"

namespace normgrad {

DistributedSampler::DistributedSampler(std::int64_t size, const DistributedSamplerOptions& options,
                                       const ProcessGroup& group)
    : DistributedSampler(size, group.size(), group.rank(), options) {}

DistributedSampler::DistributedSampler(std::int64_t size, int num_replicas, int rank,
                                       const DistributedSamplerOptions& options)
    : whole_(options.sampler), ranks_(num_replicas), rank_(rank) {
  require<ValueError>(size >= 1, "DistributedSampler: expected at least 1 example but got ", size);
  require<IndexError>(rank >= 0 && rank < num_replicas, "DistributedSampler: expected a rank in [0, ", num_replicas,
                      ") but got ", rank);
  if (!whole_ && options.shuffle) {
    whole_ = std::make_shared<RandomSampler>(size, RandomSamplerOptions{.seed = options.seed});
  } else if (!whole_) {
    whole_ = std::make_shared<SequentialSampler>(size);
  }
  const std::int64_t examples = whole_->size();
  require<ValueError>(!options.drop_last || examples >= num_replicas, "DistributedSampler: expected at least ",
                      num_replicas, " examples, one for each rank, but got ", examples,
                      "; use fewer ranks, or drop_last = false");
  share_ = options.drop_last ? examples / num_replicas : (examples + num_replicas - 1) / num_replicas;
}

std::vector<std::int64_t> DistributedSampler::order(std::int64_t epoch) const {
  const std::vector<std::int64_t> whole = whole_->order(epoch);
  std::vector<std::int64_t> own;
  own.reserve(static_cast<std::size_t>(share_));
  for (std::int64_t i = 0; i < share_; ++i) {
    const std::size_t place = static_cast<std::size_t>(i * ranks_ + rank_);
    own.push_back(whole[place % whole.size()]);  // the first ones again
  }
  return own;
}

}  // namespace normgrad
