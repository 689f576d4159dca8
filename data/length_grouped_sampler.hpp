// LengthGroupedSampler: batches of sequences of similar length.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "normgrad/data/sampler.hpp"

namespace normgrad {

/// Options of a LengthGroupedSampler.
struct LengthGroupedSamplerOptions {
  /// Examples per batch: that of the DataLoader. Required.
  std::int64_t batch_size = 0;
  /// Batches that are sorted together: more of them save more padding, fewer leave more to chance. 0: 50, or a quarter
  /// of the batches if there are fewer than 200.
  std::int64_t mega_batch_mult = 0;
  /// Determines the orders together with the epoch. nullopt: derived from the global seed, like
  /// DataLoaderOptions::seed.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// A new random order in every epoch, in which each batch holds examples of similar length, so that padding them wastes
/// little. As in Hugging Face's transformers, a random permutation is cut into mega-batches of mega_batch_mult *
/// batch_size examples, and each is sorted by length. Here its batches then come in random order, so that a model does
/// not see lengths fall again and again. Every example occurs once; a last batch of fewer examples, of any length,
/// comes last.
class LengthGroupedSampler final : public detail::SeededSampler {
 public:
  /// lengths[i] is the length of example i. Throws ValueError for no lengths, a negative one, batch_size < 1 or
  /// mega_batch_mult < 0.
  LengthGroupedSampler(std::vector<std::int64_t> lengths, const LengthGroupedSamplerOptions& options);
  std::int64_t size() const override { return static_cast<std::int64_t>(lengths_.size()); }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  StateDict state_dict() const override;

 private:
  std::vector<std::int64_t> lengths_;
  LengthGroupedSamplerOptions options_;
};

}  // namespace normgrad
