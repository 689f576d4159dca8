#include "normgrad/data/sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/data/detail/epoch_order.hpp"
#include "normgrad/data/detail/state_entries.hpp"

namespace normgrad {

using detail::checksum;
using detail::counted;
using detail::empty_order;
using detail::shuffle;
using detail::whole_number;

namespace {

bool equal(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined() || a.dtype() != b.dtype() || a.shape() != b.shape()) {
    return false;
  }
  return a.dtype() == kInt64 ? a.to_vector<std::int64_t>() == b.to_vector<std::int64_t>()
                             : a.to_vector<double>() == b.to_vector<double>();
}

}  // namespace

namespace detail {

std::uint64_t seed_or_global(std::optional<std::uint64_t> seed) {
  if (seed) {
    return *seed;
  }
  const std::uint64_t global = default_generator().seed();
  // Keeps clear of the streams of the seed itself, from which weights are drawn.
  const auto mixed = philox({0x6c6f6164, 0x65720000, 0, 0},
                            {static_cast<std::uint32_t>(global), static_cast<std::uint32_t>(global >> 32)});
  return std::uint64_t{mixed[0]} << 32 | mixed[1];
}

std::function<void()> SeededSampler::prepare_state_dict(const StateDict& state) {
  const std::uint64_t own = seed_;
  const auto found = state.find("seed");
  if (!is_given_ && found != state.end() && found->second.defined() && found->second.dtype() == kInt64 &&
      found->second.numel() == 1) {
    seed_ = std::bit_cast<std::uint64_t>(*found->second.data<std::int64_t>());
  }
  const std::uint64_t loaded = seed_;
  try {
    Sampler::load_state_dict(state);
  } catch (...) {
    seed_ = own;
    throw;
  }
  seed_ = own;
  return [this, loaded] { seed_ = loaded; };
}

}  // namespace detail

void Sampler::load_state_dict(const StateDict& state) {
  const StateDict own = state_dict();
  for (const auto& [name, value] : state) {
    require<ValueError>(own.contains(name), "Sampler: load_state_dict: unexpected entry '", name,
                        "': the state is from another kind of sampler");
  }
  for (const auto& [name, value] : own) {
    const auto found = state.find(name);
    require<ValueError>(found != state.end() && equal(found->second, value), "Sampler: load_state_dict: '", name, "' ",
                        found == state.end() ? "is missing" : "differs",
                        ": the state is from a sampler with another order");
  }
}

SequentialSampler::SequentialSampler(std::int64_t size) : size_(size) {
  require<ValueError>(size >= 1, "SequentialSampler: expected at least 1 example but got ", size);
}

std::function<void()> SequentialSampler::prepare_state_dict(const StateDict& state) {
  load_state_dict(state);  // only checks, changes nothing
  return [] {};
}

std::vector<std::int64_t> SequentialSampler::order(std::int64_t /*epoch*/) const {
  return counted("SequentialSampler", size_);
}

StateDict SequentialSampler::state_dict() const { return {{"size", whole_number(size_)}}; }

RandomSampler::RandomSampler(std::int64_t size, const RandomSamplerOptions& options)
    : SeededSampler(options.seed), examples_(size), options_(options) {
  require<ValueError>(size >= 1, "RandomSampler: expected at least 1 example but got ", size);
  require<ValueError>(options.num_samples >= 0, "RandomSampler: expected num_samples >= 0 but got ",
                      options.num_samples);
  require<ValueError>(options.replacement || options.num_samples <= size, "RandomSampler: expected at most ", size,
                      " samples, as many as there are examples, but got ", options.num_samples,
                      "; pass {.replacement = true} to draw more");
  if (options_.num_samples == 0) {
    options_.num_samples = size;
  }
}

std::vector<std::int64_t> RandomSampler::order(std::int64_t epoch) const {
  Generator generator = detail::generator_of_epoch(seed(), epoch);
  std::vector<std::int64_t> order;
  if (options_.replacement) {
    order = empty_order("RandomSampler", options_.num_samples);
    for (std::int64_t i = 0; i < options_.num_samples; ++i) {
      order.push_back(static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(examples_))));
    }
    return order;
  }
  order = counted("RandomSampler", examples_);
  shuffle(order, generator);
  order.resize(static_cast<std::size_t>(options_.num_samples));
  return order;
}

StateDict RandomSampler::state_dict() const {
  return {{"size", whole_number(examples_)},
          {"num_samples", whole_number(options_.num_samples)},
          {"replacement", whole_number(options_.replacement ? 1 : 0)},
          {"seed", whole_number(std::bit_cast<std::int64_t>(seed()))}};
}

WeightedRandomSampler::WeightedRandomSampler(std::vector<double> weights, std::int64_t num_samples,
                                             const WeightedSamplerOptions& options)
    : SeededSampler(options.seed), weights_(std::move(weights)), num_samples_(num_samples), options_(options) {
  std::int64_t positive = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    require<ValueError>(std::isfinite(weights_[i]) && weights_[i] >= 0.0,
                        "WeightedRandomSampler: expected weights of at least 0 but weight ", i, " is ", weights_[i]);
    positive += weights_[i] > 0.0 ? 1 : 0;
  }
  require<ValueError>(positive > 0, "WeightedRandomSampler: expected a weight above 0 but got none");
  require<ValueError>(num_samples >= 1, "WeightedRandomSampler: expected num_samples >= 1 but got ", num_samples);
  require<ValueError>(options.replacement || num_samples <= positive, "WeightedRandomSampler: expected at most ",
                      positive, " samples, as many as there are weights above 0, but got ", num_samples,
                      "; pass {.replacement = true} to draw more");
}

std::vector<std::int64_t> WeightedRandomSampler::order(std::int64_t epoch) const {
  Generator generator = detail::generator_of_epoch(seed(), epoch);
  const auto count = static_cast<std::size_t>(num_samples_);
  std::vector<std::int64_t> order = empty_order("WeightedRandomSampler", num_samples_);
  if (options_.replacement) {
    std::vector<double> up_to(weights_.size());
    std::partial_sum(weights_.begin(), weights_.end(), up_to.begin());
    // Rounding may put a draw at the very end; it then selects the last example with a weight.
    const auto last = std::lower_bound(up_to.begin(), up_to.end(), up_to.back());
    for (std::size_t i = 0; i < count; ++i) {
      const auto found = std::upper_bound(up_to.begin(), up_to.end(), generator.uniform() * up_to.back());
      order.push_back(std::min(found, last) - up_to.begin());
    }
    return order;
  }
  // The first `count` arrivals of independent exponential clocks whose rates are the weights.
  std::vector<std::pair<double, std::int64_t>> arrivals;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const double draw = -std::log1p(-generator.uniform());
    if (weights_[i] > 0.0) {
      arrivals.emplace_back(draw / weights_[i], static_cast<std::int64_t>(i));
    }
  }
  std::sort(arrivals.begin(), arrivals.end());
  for (std::size_t i = 0; i < count; ++i) {
    order.push_back(arrivals[i].second);
  }
  return order;
}

StateDict WeightedRandomSampler::state_dict() const {
  return {{"weights", checksum(weights_)},
          {"num_samples", whole_number(num_samples_)},
          {"replacement", whole_number(options_.replacement ? 1 : 0)},
          {"seed", whole_number(std::bit_cast<std::int64_t>(seed()))}};
}

ClassBalancedSampler::ClassBalancedSampler(const Tensor& labels, const ClassBalancedSamplerOptions& options)
    : SeededSampler(options.seed), options_(options) {
  require<DTypeError>(labels.dtype() == kInt64, "ClassBalancedSampler: expected int64 labels but got ", labels.dtype(),
                      "; convert them with labels.to(kInt64)");
  require<ShapeError>(labels.dim() == 1, "ClassBalancedSampler: expected labels [n] but got ", labels.shape());
  require<ValueError>(labels.numel() >= 1, "ClassBalancedSampler: expected at least 1 label but got none");
  require<ValueError>(options.num_samples >= 0, "ClassBalancedSampler: expected num_samples >= 0 but got ",
                      options.num_samples);
  std::map<std::int64_t, std::vector<std::int64_t>> by_label;
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    by_label[labels.data<std::int64_t>()[i]].push_back(i);
  }
  for (auto& [label, examples] : by_label) {
    classes_.push_back(std::move(examples));
  }
  if (options_.num_samples == 0) {
    options_.num_samples = labels.numel();
  }
}

std::vector<std::int64_t> ClassBalancedSampler::order(std::int64_t epoch) const {
  Generator generator = detail::generator_of_epoch(seed(), epoch);
  const auto count = static_cast<std::size_t>(options_.num_samples);
  const std::size_t classes = classes_.size();
  std::vector<std::int64_t> order = empty_order("ClassBalancedSampler", options_.num_samples);
  for (std::size_t c = 0; c < classes; ++c) {
    // count % classes classes get one more example, starting with a class that advances with the epochs.
    const std::size_t turn = (c + classes - static_cast<std::size_t>(epoch) % classes) % classes;
    std::size_t rest = count / classes + (turn < count % classes ? 1 : 0);
    while (rest > 0) {
      std::vector<std::int64_t> pass = classes_[c];
      shuffle(pass, generator);
      const std::size_t taken = std::min(rest, pass.size());
      order.insert(order.end(), pass.begin(), pass.begin() + static_cast<std::ptrdiff_t>(taken));
      rest -= taken;
    }
  }
  shuffle(order, generator);
  return order;
}

StateDict ClassBalancedSampler::state_dict() const {
  std::vector<std::int64_t> examples;
  for (const std::vector<std::int64_t>& of_class : classes_) {
    examples.push_back(static_cast<std::int64_t>(of_class.size()));
    examples.insert(examples.end(), of_class.begin(), of_class.end());
  }
  return {{"classes", checksum(examples)},
          {"num_samples", whole_number(options_.num_samples)},
          {"seed", whole_number(std::bit_cast<std::int64_t>(seed()))}};
}

}  // namespace normgrad
