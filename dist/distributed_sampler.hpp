// DistributedSampler: each rank's share of the examples of an epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "normgrad/data/sampler.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad {

/// Options of a DistributedSampler; names and defaults are PyTorch's.
struct DistributedSamplerOptions {
  bool shuffle = true;  ///< a new random order in every epoch
  /// Leave out the last examples of an epoch if they are not a multiple of the number of ranks. Otherwise the first
  /// ones are repeated, so that all ranks have equally many.
  bool drop_last = false;
  /// Determines the orders together with the epoch; the same on all ranks. nullopt: derived from the seed set by
  /// manual_seed(), like DataLoaderOptions::seed.
  std::optional<std::uint64_t> seed = std::nullopt;
  /// Instead of `shuffle`: the sampler whose order is divided.
  std::shared_ptr<Sampler> sampler = nullptr;
};

/// Divides the order of a single process among the ranks: rank r of k gets the examples at the places r, r + k, r + 2k
/// and so on. So k ranks with batches of b examples see in each step the b * k examples that one process would with
/// batches of b * k.
class DistributedSampler final : public Sampler {
 public:
  /// `size` is that of the dataset. Throws ValueError for size < 1, and for fewer examples than ranks with drop_last.
  explicit DistributedSampler(std::int64_t size, const DistributedSamplerOptions& options = {},
                              const ProcessGroup& group = ProcessGroup::world());
  /// Without a group: for `rank` of `num_replicas`. Throws IndexError for a rank out of range.
  DistributedSampler(std::int64_t size, int num_replicas, int rank, const DistributedSamplerOptions& options = {});

  std::int64_t size() const override { return share_; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  /// The state of the divided sampler: the same on all ranks and for any number of ranks.
  StateDict state_dict() const override { return whole_->state_dict(); }
  void load_state_dict(const StateDict& state) override { whole_->load_state_dict(state); }
  std::function<void()> prepare_state_dict(const StateDict& state) override {
    return whole_->prepare_state_dict(state);
  }

 private:
  std::shared_ptr<Sampler> whole_;
  int ranks_;
  int rank_;
  std::int64_t share_;
};

}  // namespace normgrad
