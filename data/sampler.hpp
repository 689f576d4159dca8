// Samplers: which examples form an epoch, and in which order.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"

namespace normgrad {

class Tensor;

/// The order of an epoch is determined by its number and by state_dict(), not by other epochs, the default generator or
/// the number of workers. An interrupted run can therefore resume in the same order.
///
/// A custom sampler that changes while in use, such as one that draws examples with high losses more often, overrides
/// state_dict() and load_state_dict() so that the loader's state includes its data. Changes during an epoch take effect
/// in the next one: an epoch keeps the order with which it began, also across a checkpoint.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Returns the number of examples in an epoch.
  virtual std::int64_t size() const = 0;
  /// Returns size() indices of examples in the dataset.
  virtual std::vector<std::int64_t> order(std::int64_t epoch) const = 0;
  /// Returns the data besides the epoch's number that determines the orders: for the samplers below their constructor
  /// arguments, by default nothing.
  virtual StateDict state_dict() const { return {}; }
  /// Restores a state. The default is for samplers that do not change: it throws ValueError unless the state equals
  /// state_dict().
  virtual void load_state_dict(const StateDict& state);
  /// Splits load_state_dict() into two steps. Checks everything and changes nothing; the returned function performs the
  /// load and does not throw. It is empty by default: the sampler cannot check beforehand. A class that overrides
  /// load_state_dict() of one that prepares overrides this, too.
  virtual std::function<void()> prepare_state_dict(const StateDict& /*state*/) { return {}; }

 protected:
  Sampler() = default;
  Sampler(const Sampler&) = default;
  Sampler(Sampler&&) noexcept = default;
  Sampler& operator=(const Sampler&) = default;
  Sampler& operator=(Sampler&&) noexcept = default;
};

/// Returns 0, 1, ..., size - 1 in every epoch.
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

/// Returns the seed if given, else one derived from the default generator's seed, without drawing from its stream.
std::uint64_t seed_or_global(std::optional<std::uint64_t> seed);

/// Base of samplers with a seed.
class SeededSampler : public Sampler {
 public:
  /// Restores the seed of the state unless a seed was given.
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
  /// Draw each example independently (otherwise every example occurs once).
  bool replacement = false;
  /// Examples in an epoch; 0: as many as there are. More than that requires `replacement`.
  std::int64_t num_samples = 0;
  /// Determines the orders together with the epoch. nullopt: derived from the global seed, like
  /// DataLoaderOptions::seed.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// A new random permutation of `size` examples in every epoch; all orders are equally likely.
class RandomSampler final : public detail::SeededSampler {
 public:
  /// Throws ValueError for size < 1, num_samples < 0, or num_samples > size without replacement.
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
  /// Allow an example to occur more than once in an epoch. True by default, as in PyTorch.
  bool replacement = true;
  /// Determines the orders together with the epoch. nullopt: derived from the global seed, like
  /// DataLoaderOptions::seed.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// Draws example i with a probability proportional to weights[i]. Without replacement, draws successively from the
/// remaining examples (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
class WeightedRandomSampler final : public detail::SeededSampler {
 public:
  /// Throws ValueError if a weight is negative or not finite, if none is positive, if num_samples < 1, or if it exceeds
  /// the number of positive weights without replacement.
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
  /// Determines the orders together with the epoch. nullopt: derived from the global seed, like
  /// DataLoaderOptions::seed.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// Draws every class equally often in each epoch (the numbers differ by at most one, in rotation), in random order.
/// Within a class every example occurs once before any repeats.
class ClassBalancedSampler final : public detail::SeededSampler {
 public:
  /// labels: [n], int64. Throws DTypeError or ShapeError for other tensors, and ValueError for no labels or num_samples
  /// < 0.
  explicit ClassBalancedSampler(const Tensor& labels, const ClassBalancedSamplerOptions& options = {});
  std::int64_t size() const override { return options_.num_samples; }
  std::vector<std::int64_t> order(std::int64_t epoch) const override;
  StateDict state_dict() const override;
  /// Returns the number of classes that have an example.
  std::int64_t num_classes() const noexcept { return static_cast<std::int64_t>(classes_.size()); }

 private:
  std::vector<std::vector<std::int64_t>> classes_;  // the examples of each class, by increasing label
  ClassBalancedSamplerOptions options_;
};

}  // namespace normgrad
