#include "normgrad/data/length_grouped_sampler.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/data/detail/epoch_order.hpp"
#include "normgrad/data/detail/state_entries.hpp"

namespace normgrad {

LengthGroupedSampler::LengthGroupedSampler(std::vector<std::int64_t> lengths,
                                           const LengthGroupedSamplerOptions& options)
    : SeededSampler(options.seed), lengths_(std::move(lengths)), options_(options) {
  require<ValueError>(!lengths_.empty(), "LengthGroupedSampler: expected at least 1 length but got none");
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    require<ValueError>(lengths_[i] >= 0, "LengthGroupedSampler: expected lengths of at least 0 but length ", i, " is ",
                        lengths_[i]);
  }
  require<ValueError>(options.batch_size >= 1, "LengthGroupedSampler: expected batch_size >= 1, that of the loader, ",
                      "but got ", options.batch_size);
  require<ValueError>(options.mega_batch_mult >= 0, "LengthGroupedSampler: expected mega_batch_mult >= 0 but got ",
                      options.mega_batch_mult);
  if (options_.mega_batch_mult == 0) {
    options_.mega_batch_mult = std::clamp<std::int64_t>(size() / options_.batch_size / 4, 1, 50);
  }
}

std::vector<std::int64_t> LengthGroupedSampler::order(std::int64_t epoch) const {
  const std::int64_t examples = size();
  const std::int64_t batch_size = std::min(options_.batch_size, examples);
  // In batches, so that no product overflows.
  const std::int64_t full_batches = examples / batch_size;
  const std::int64_t per_mega = std::min(options_.mega_batch_mult, full_batches);
  Generator generator = detail::generator_of_epoch(seed(), epoch);
  std::vector<std::int64_t> drawn = detail::counted("LengthGroupedSampler", examples);
  detail::shuffle(drawn, generator);
  std::vector<std::int64_t> order = detail::empty_order("LengthGroupedSampler", examples);
  std::vector<std::int64_t> rest;  // the last batch, if it is not full
  for (std::int64_t first = 0; first < full_batches; first += per_mega) {
    std::int64_t batches = std::min(per_mega, full_batches - first);
    const auto begin = drawn.begin() + first * batch_size;
    auto end = begin + batches * batch_size;
    const bool is_last = first + batches == full_batches;
    const std::int64_t extra = is_last ? drawn.end() - end : 0;
    end += extra;
    // Equal lengths remain in random order.
    std::stable_sort(begin, end, [this](std::int64_t a, std::int64_t b) {
      return lengths_[static_cast<std::size_t>(a)] > lengths_[static_cast<std::size_t>(b)];
    });
    if (extra > 0) {
      // Anywhere among the lengths: with drop_last, the short ones would otherwise never be seen.
      const auto at =
          begin + batch_size * static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(batches + 1)));
      std::rotate(at, at + extra, end);
      rest.assign(end - extra, end);
    }
    std::vector<std::int64_t> turns = detail::counted("LengthGroupedSampler", batches);
    detail::shuffle(turns, generator);
    for (const std::int64_t turn : turns) {
      order.insert(order.end(), begin + turn * batch_size, begin + (turn + 1) * batch_size);
    }
  }
  order.insert(order.end(), rest.begin(), rest.end());
  return order;
}

StateDict LengthGroupedSampler::state_dict() const {
  return {{"lengths", detail::checksum(lengths_)},
          {"batch_size", detail::whole_number(options_.batch_size)},
          {"mega_batch_mult", detail::whole_number(options_.mega_batch_mult)},
          {"seed", detail::whole_number(std::bit_cast<std::int64_t>(seed()))}};
}

}  // namespace normgrad
