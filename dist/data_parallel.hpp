// DistributedDataParallel: one model on all ranks, with the mean of their gradients.
//
//   Net net;
//   DistributedDataParallel ddp(net);              // all ranks now have the weights of rank 0
//   SGD optimizer(net.parameters(), {.lr = 0.1});
//   for (const auto& [images, labels] : batches) { // of this rank
//     optimizer.zero_grad();
//     cross_entropy(ddp(images), labels).backward();   // grad() is the mean over the ranks
//     optimizer.step();
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "normgrad/dist/process_group.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of DistributedDataParallel; names and defaults are PyTorch's.
struct DistributedDataParallelOptions {
  /// Size of a bucket of gradients that are reduced together, in MiB. Small ones start earlier, large ones need fewer
  /// messages.
  double bucket_cap_mb = 25.0;
  /// Give all ranks the buffers (running statistics) of the first rank after each backward. Without effect on those of
  /// synchronized norms, which are the same on all ranks.
  bool broadcast_buffers = true;
  /// The mean after some ranks have called join(): over all ranks (true), the others counting as 0, or over the ones
  /// that still have batches.
  bool divide_by_initial_world_size = true;
};

/// Times of a bucket in the last backward, in seconds after its start.
struct BucketTimes {
  std::int64_t elements = 0;  ///< of the gradients
  double started = 0;         ///< all gradients of the bucket were there
  double finished = 0;        ///< the mean was there
};
/// The last backward of a DistributedDataParallel.
struct BackwardTrace {
  std::vector<BucketTimes> buckets;  ///< in the order in which they are reduced
  double computed = 0;               ///< all gradients of this rank were there
  double finished = 0;               ///< the backward returned
};

/// Keeps a model equal on all ranks of a group. The model remains what it is, a value that is called and saved as
/// before. While this object exists, a backward() that reaches a parameter, on the thread that constructed it, ends
/// with the mean over the ranks in its grad(). Gradients are reduced in buckets, from the last parameters to the first,
/// while the backward of earlier layers still runs. The mean is taken in the order of the ranks and rounded once, so
/// all ranks have the same bits. The gradients of a bucket are parts of one tensor, as with PyTorch's
/// gradient_as_bucket_view: whoever keeps one keeps the memory of all.
///
/// All ranks make the same number of backwards. A parameter that some ranks do not use counts as 0 there; one that no
/// rank uses keeps its grad(). A backward with create_graph gives differentiable means; all ranks must use all
/// parameters in it. grad() is left alone. Optimizers, clipping and averaged weights need no change.
class DistributedDataParallel {
 public:
  /// Gives all ranks the parameters and buffers of rank 0. Throws ValueError for a model without parameters that
  /// require gradients, and bucket_cap_mb <= 0, and DistError, naming a rank, if the models differ in names, dtypes or
  /// shapes. The model must outlive this object, keep its parameters, and neither be moved nor converted.
  explicit DistributedDataParallel(Module& module, const DistributedDataParallelOptions& options = {},
                                   const ProcessGroup& group = ProcessGroup::world());
  DistributedDataParallel(const DistributedDataParallel&) = delete;
  DistributedDataParallel& operator=(const DistributedDataParallel&) = delete;
  ~DistributedDataParallel();

  /// Returns the model's result; ddp(x) and model(x) are the same.
  Tensor operator()(const Tensor& x) { return module()(x); }
  Module& module() const noexcept;             ///< the model
  const ProcessGroup& group() const noexcept;  ///< the ranks

  /// While it exists, backwards only add up the gradients of this rank. The first one after it reduces the sums.
  class NoSync {
   public:
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;
    ~NoSync();

   private:
    friend class DistributedDataParallel;
    explicit NoSync(DistributedDataParallel& ddp);
    DistributedDataParallel& ddp_;
    bool before_;
  };
  /// For accumulating gradients over several batches: `const auto no_sync = ddp.no_sync();`.
  [[nodiscard("give it a name: an object without one ends at once")]] NoSync no_sync() { return NoSync(*this); }

  /// Called by every rank after its last batch of an epoch: takes part, with gradients of 0, in the backwards of ranks
  /// that have more. Returns when all ranks have called it, and then all have the parameters and buffers of the one
  /// that was last. (The states of optimizers may differ.) Not for models with other collectives, such as synchronized
  /// norms: there, a rank without examples goes on with empty batches.
  void join();

  /// Times of the last reducing backward.
  const BackwardTrace& trace() const noexcept;

 private:
  class Reducer;
  std::unique_ptr<Reducer> reducer_;
};

}  // namespace normgrad
