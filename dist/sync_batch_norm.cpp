#include "normgrad/dist/sync_batch_norm.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(SyncBatchNorm, weight, bias, running_mean, running_var, num_batches_tracked)

namespace {

// Merges (count, mean, M2) of the ranks (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979).
class SyncOverRanks final : public StatisticsSync {
 public:
  explicit SyncOverRanks(ProcessGroup group) : group_(std::move(group)) {}

  SharedMoments moments(const Tensor& x) const override {
    const std::int64_t channels = x.size(1);
    const std::int64_t own = x.numel() / channels;
    std::vector<std::int64_t> others;
    for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
      if (axis != 1) {
        others.push_back(axis);
      }
    }
    const Tensor values = x.to(kFloat64);
    const double divisor = static_cast<double>(std::max<std::int64_t>(own, 1));
    const Tensor mean = sum(values, others, true) / divisor;
    const Tensor m2 = (values - mean).square().sum(others);
    const Tensor row = cat({mean.reshape({1, 1, channels}), m2.reshape({1, 1, channels}),
                            full({1, 1, channels}, own, {.dtype = kFloat64})},
                           1);
    return merged(group_.all_gather(row), channels);
  }

  std::string text() const override {
    return std::to_string(group_.size()) + (group_.size() == 1 ? " rank" : " ranks");
  }

 private:
  // rows: [ranks, 3, C], the mean, M2 and count of each.
  static SharedMoments merged(const Tensor& rows, std::int64_t channels) {
    const Tensor counts = rows.detach().narrow(1, 2, 1).reshape({-1, channels});  // [ranks, C]
    const Tensor means = rows.narrow(1, 0, 1).reshape({-1, channels});
    const Tensor m2 = rows.narrow(1, 1, 1).reshape({-1, channels});
    const std::int64_t ranks = counts.size(0);
    std::int64_t total = 0;
    std::int64_t pivot = 0;  // a rank with values
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      const auto count = static_cast<std::int64_t>(counts.data<double>()[rank * channels]);
      pivot = total == 0 ? rank : pivot;
      total += count;
    }
    if (total == 0) {
      return {means.sum(0), m2.sum(0), 0};
    }
    const double n = static_cast<double>(total);
    // Differences of means are small beside the means, so little is lost to rounding.
    const Tensor first = means.narrow(0, pivot, 1);
    const Tensor mean = first + sum((means - first) * (counts / n), 0, true);
    const Tensor var = sum(m2 + (means - mean).square() * counts, 0) / n;
    return {mean.reshape({channels}), var, total};
  }

  ProcessGroup group_;
};

std::int64_t synchronize_all(Module& model, const std::shared_ptr<const StatisticsSync>& sync) {
  std::int64_t norms = 0;
  for (const auto& [name, module] : model.named_modules()) {
    if (auto* norm = dynamic_cast<BatchNorm*>(module)) {
      norm->synchronize(sync);
      ++norms;
    }
  }
  return norms;
}

}  // namespace

SyncBatchNorm::SyncBatchNorm(std::int64_t num_features, const BatchNormOptions& options, const ProcessGroup& group)
    : BatchNorm("SyncBatchNorm", num_features, options, 2, 5) {
  synchronize(std::make_shared<SyncOverRanks>(group));
}

std::int64_t convert_sync_batchnorm(Module& model, const ProcessGroup& group) {
  return synchronize_all(model, std::make_shared<SyncOverRanks>(group));
}

std::int64_t revert_sync_batchnorm(Module& model) { return synchronize_all(model, nullptr); }

void register_sync_batch_norm(const ProcessGroup& group) {
  register_norm({.name = "sync_batch",
                 .reason_against = [](const NormContext& /*context*/) { return std::string(); },
                 .make =
                     [group](const NormContext& context, const NormArguments& arguments) {
                       const std::optional<double> momentum = arguments.optional_number("momentum", 0.1);
                       return std::make_unique<SyncBatchNorm>(
                           context.num_features,
                           BatchNormOptions{.eps = arguments.number("eps", 1e-5),
                                            .momentum = momentum ? Momentum(*momentum) : Momentum(std::nullopt),
                                            .dtype = context.dtype},
                           group);
                     },
                 .options = {"eps", "momentum"},
                 .independent_samples = false});
}

}  // namespace normgrad
