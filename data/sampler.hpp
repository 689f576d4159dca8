// Samplers: which examples an epoch consists of, and in which order.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"

namespace normgrad {

class Tensor;

/// The order of an epoch is a function of the epoch's number and of state_dict(): not of other epochs, of the default
/// generator, or of the number of workers. So an interrupted run can go on in the same order.
///
/// A sampler of one's own that changes while it is used, such as one that draws examples with high losses more often,
/// overrides state_dict() and load_state_dict(), and the loader's state holds what it needs. What changes during an
/// epoch counts from the next one on: an epoch keeps the order that it began with, also across a checkpoint.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Examples in an epoch.
  virtual std::int64_t size() const = 0;
  /// size() numbers of examples of the dataset.
  virtual std::vector<std::int64_t> order(std::int64_t epoch) const = 0;
  /// What the orders depend on besides the epoch's number: of the samplers here what they were made with, of others
  /// nothing unless they say so.
  virtual StateDict state_dict() const { return {}; }
  /// Goes on as the sampler of that state would. This one is for samplers that do not change: throws ValueError unless
  /// the state is state_dict().
  virtual void load_state_dict(const StateDict& state);
  /// load_state_dict() in two steps: checks everything and changes nothing; what it returns does the rest and does not
  /// throw. Empty, as it is unless a sampler overrides it: the sampler cannot tell beforehand.
  virtual std::function<void()> prepare_state_dict(const StateDict& /*state*/) { return {}; }

 protected:
  Sampler() = default;
  Sampler(const Sampler&) = default;
  Sampler(Sampler&&) noexcept = default;
  Sampler& operator=(const Sampler&) = default;
  Sampler& operator=(Sampler&&) noexcept = default;
};

/// 0, 1, ..., size - 1 in every epoch.
class SequentialSampler final : public Sampler {
 public:
  explicit SequentialSampler(std::int64_t size);  ///< throws ValueError for size < 1
  std::int64_t size() const override { return size_; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  StateDict state_dict() const override;
  std::function<void()> prepare_state_dict(const StateDict& state) override;

 private:
  std::int64_t size_;
};

namespace detail {

/// The seed if it is given, else one made of the seed of the default generator, whose own stream it does not touch.
std::uint64_t seed_or_global(std::optional<std::uint64_t> seed);

/// A sampler with a seed.
class SeededSampler : public Sampler {
 public:
  /// Takes over the seed of the state, if none was given.
  void load_state_dict(const StateDict& state) override { prepare_state_dict(state)(); }
  std::function<void()> prepare_state_dict(const StateDict& state) override;

 protected:
  explicit SeededSampler(std::optional<std::uint64_t> seed)
      : seed_(seed_or_global(seed)), is_given_(seed.has_value()) {}
  std::uint64_t seed() const noexcept { return seed_; }

 private:
  std::uint64_t seed_;
  bool is_given_;
};

}  // namespace detail

/// Options of a RandomSampler.
struct RandomSamplerOptions {
  /// Draw each example independently of those before (else every example comes once).
  bool replacement = false;
  /// Examples in an epoch; 0: as many as there are. More than there are need `replacement`.
  std::int64_t num_samples = 0;
  /// Orders depend on this and the epoch. nullopt: made from the global seed, as DataLoaderOptions::seed is.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// A new random order of `size` examples in every epoch, all orders being equally likely.
class RandomSampler final : public detail::SeededSampler {
 public:
  /// Throws ValueError for size < 1 and for num_samples < 0 or larger than `size` without replacement.
  explicit RandomSampler(std::int64_t size, const RandomSamplerOptions& options = {});
  std::int64_t size() const override { return options_.num_samples; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  StateDict state_dict() const override;

 private:
  std::int64_t examples_;
  RandomSamplerOptions options_;
};

/// Options of a WeightedRandomSampler.
struct WeightedSamplerOptions {
  /// PyTorch's default: an example may come more than once in an epoch.
  bool replacement = true;
  /// Orders depend on this and the epoch. nullopt: made from the global seed, as DataLoaderOptions::seed is.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// Draws example i with a probability proportional to weights[i]; without replacement as successive draws from what is
/// left (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
class WeightedRandomSampler final : public detail::SeededSampler {
 public:
  /// Throws ValueError for weights that are negative or not finite, without a positive one, for num_samples < 1, and
  /// without replacement for more samples than positive weights.
  WeightedRandomSampler(std::vector<double> weights, std::int64_t num_samples,
                        const WeightedSamplerOptions& options = {});
  std::int64_t size() const override { return num_samples_; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  StateDict state_dict() const override;

 private:
  std::vector<double> weights_;
  std::int64_t num_samples_;
  WeightedSamplerOptions options_;
};

/// Options of a ClassBalancedSampler.
struct ClassBalancedSamplerOptions {
  /// Examples in an epoch; 0: as many as there are labels.
  std::int64_t num_samples = 0;
  /// Orders depend on this and the epoch. nullopt: made from the global seed, as DataLoaderOptions::seed is.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// Every class equally often in each epoch (numbers differ by one at most, and by turns), in random order. Within a
/// class every example comes once before any comes again.
class ClassBalancedSampler final : public detail::SeededSampler {
 public:
  /// labels: [n], int64. Throws DTypeError or ShapeError for another tensor, ValueError for no labels or num_samples <
  /// 0.
  explicit ClassBalancedSampler(const Tensor& labels, const ClassBalancedSamplerOptions& options = {});
  std::int64_t size() const override { return options_.num_samples; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  StateDict state_dict() const override;
  /// Classes that have an example.
  std::int64_t num_classes() const noexcept { return static_cast<std::int64_t>(classes_.size()); }

 private:
  std::vector<std::vector<std::int64_t>> classes_;  // the examples of each, by rising label
  ClassBalancedSamplerOptions options_;
};

}  // namespace normgrad
