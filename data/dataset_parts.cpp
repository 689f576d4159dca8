#include "normgrad/data/dataset_parts.hpp"

#include <cmath>
#include <numeric>

#include "normgrad/core/base/error.hpp"
#include "normgrad/data/sampler.hpp"

namespace normgrad {

Subset::Subset(DatasetPtr whole, std::vector<std::int64_t> indices) : whole_(std::move(whole)) {
  require<ValueError>(whole_ != nullptr, "Subset: expected a dataset but got none");
  check_indices("Subset", indices, whole_->size());
  indices_ = std::make_shared<const std::vector<std::int64_t>>(std::move(indices));
}

Batch Subset::batch(std::span<const std::int64_t> indices) const {
  check_indices("Subset", indices, size());
  std::vector<std::int64_t> in_whole;
  in_whole.reserve(indices.size());
  for (const std::int64_t index : indices) {
    in_whole.push_back((*indices_)[static_cast<std::size_t>(index)]);
  }
  return whole_->batch(in_whole);
}

namespace {

std::vector<std::int64_t> lengths_of(const std::vector<double>& parts, std::int64_t size) {
  std::vector<std::int64_t> lengths;
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  bool valid = !parts.empty();
  bool whole_numbers = true;
  for (const double part : parts) {
    valid = valid && part >= 0.0;
    whole_numbers = whole_numbers && part == std::floor(part);
  }
  if (valid && whole_numbers && sum == static_cast<double>(size)) {
    for (const double part : parts) {
      lengths.push_back(static_cast<std::int64_t>(part));
    }
    return lengths;
  }
  require<ValueError>(valid && std::abs(sum - 1.0) < 1e-9,
                      "random_split: expected shares that sum to 1, or numbers of ", "examples that sum to ", size,
                      ", but they sum to ", sum);
  std::int64_t rest = size;
  for (const double part : parts) {
    lengths.push_back(static_cast<std::int64_t>(std::floor(part * static_cast<double>(size) + 1e-9)));
    rest -= lengths.back();
  }
  for (std::size_t i = 0; rest > 0; i = (i + 1) % lengths.size(), --rest) {
    ++lengths[i];
  }
  return lengths;
}

}  // namespace

std::vector<Subset> random_split(const DatasetPtr& whole, const std::vector<double>& parts, std::uint64_t seed) {
  require<ValueError>(whole != nullptr, "random_split: expected a dataset but got none");
  const std::vector<std::int64_t> lengths = lengths_of(parts, whole->size());
  const std::vector<std::int64_t> order = RandomSampler(whole->size(), {.seed = seed}).order(0);
  std::vector<Subset> subsets;
  auto next = order.begin();
  for (const std::int64_t length : lengths) {
    subsets.emplace_back(whole, std::vector<std::int64_t>(next, next + length));
    next += length;
  }
  return subsets;
}

std::vector<DatasetFold> k_fold(const DatasetPtr& whole, std::int64_t k, KFoldOptions options) {
  require<ValueError>(whole != nullptr, "k_fold: expected a dataset but got none");
  const std::int64_t size = whole->size();
  require<ValueError>(k >= 2 && k <= size, "k_fold: expected k between 2 and the ", size, " examples but got ", k);
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  if (options.shuffle) {
    order = RandomSampler(size, {.seed = options.seed}).order(0);
  } else {
    std::iota(order.begin(), order.end(), 0);
  }
  std::vector<DatasetFold> folds;
  auto begin = order.begin();
  for (std::int64_t i = 0; i < k; ++i) {
    const auto end = begin + size / k + (i < size % k ? 1 : 0);
    std::vector<std::int64_t> train(order.begin(), begin);
    train.insert(train.end(), end, order.end());
    folds.push_back({.train = Subset(whole, std::move(train)), .validation = Subset(whole, {begin, end})});
    begin = end;
  }
  return folds;
}

}  // namespace normgrad
