// Batch normalization with statistics over all ranks.
//
//   Net net;                        // with BatchNorm1d, 2d, 3d members
//   convert_sync_batchnorm(net);    // their statistics are now those of all ranks' batches
#pragma once

#include <cstdint>

#include "normgrad/dist/process_group.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"

namespace normgrad {

/// Batch normalization of x: [N, C], [N, C, L], [N, C, H, W] or [N, C, D, H, W] with the statistics of the batches of
/// all ranks, as if one process had them all. N may differ between ranks and may be 0. Every rank calls the layer, and
/// its backward, equally often and in the same order relative to other collectives.
///
/// Count, mean and M2 of the ranks are merged in the order of the ranks, in float64, so the running statistics have the
/// same bits on all of them. Gradients are of any order; that of x includes the ranks' influence on each other. Those
/// of weight and bias are the ones of this rank's loss (DistributedDataParallel takes the mean). In eval mode, frozen,
/// and with running statistics nothing is exchanged.
class SyncBatchNorm : public BatchNorm {
 public:
  /// Throws ValueError as BatchNorm2d does.
  explicit SyncBatchNorm(std::int64_t num_features, const BatchNormOptions& options = {},
                         const ProcessGroup& group = ProcessGroup::world());
  NORMGRAD_DECLARE_MEMBERS(SyncBatchNorm)
};

/// Makes every BatchNorm1d, 2d and 3d of the model take its statistics over the ranks of the group, in place: values,
/// names and handles are unchanged, and copies of the model do the same. Returns the number of these norms.
std::int64_t convert_sync_batchnorm(Module& model, const ProcessGroup& group = ProcessGroup::world());
/// The reverse: every batch norm takes its statistics over its own batch.
std::int64_t revert_sync_batchnorm(Module& model);
/// Adds SyncBatchNorm as "sync_batch" to the registry of norms, with the options of "batch": make_norm("sync_batch:eps=
/// 1e-3", ...). Call it once, at the start of a program; throws ValueError the second time (see register_norm()).
void register_sync_batch_norm(const ProcessGroup& group = ProcessGroup::world());

}  // namespace normgrad
