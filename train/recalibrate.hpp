// recalibrate: running statistics that are those of the data.
//
//   recalibrate(net, DataLoader(train, {.batch_size = 256}));
//
// What BatchNorm has after training is an exponential mean over the last batches, taken while the weights were
// changing. This takes the statistics of a whole data set with the weights as they are (Wu and Johnson, "Rethinking
// 'Batch' in BatchNorm", 2021, section 3).
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Options of recalibrate().
struct RecalibrateOptions {
  /// false: one pass, in which the statistics of each batch normalise it, as in training (a batch of one value, which
  /// has no variance, is normalised with those of all batches so far). What enters a deeper norm has then been
  /// normalised a little differently than it is in eval mode.
  /// true: one pass per norm, the norms before it being done and normalising with their new running statistics: in eval
  /// mode every norm then gets inputs that have exactly its running mean and variance.
  bool layer_by_layer = false;
};

/// What recalibrate() did.
struct RecalibrationReport {
  /// One norm.
  struct Entry {
    std::string name;                     ///< full name
    std::int64_t batches = 0;             ///< that entered the statistics
    std::int64_t values = 0;              ///< per channel; of an instance norm the number of samples
    std::int64_t non_finite_batches = 0;  ///< kept out: NaN or infinite values came in
    std::int64_t empty_batches = 0;       ///< had no values to take in
  };
  /// Norms with new running statistics, in the order of members.
  std::vector<Entry> norms;
  /// Norms that were left as they are: no batch with finite values came to them, or they are frozen.
  std::vector<std::string> left;
};
std::ostream& operator<<(std::ostream& out, const RecalibrationReport& report);

namespace detail {

/// The passes over the data; see recalibrate().
class Recalibration {
 public:
  Recalibration(Module& model, RecalibrateOptions options);
  Recalibration(const Recalibration&) = delete;
  Recalibration& operator=(const Recalibration&) = delete;
  ~Recalibration();
  /// Begins a pass over the batches; false when all is done.
  bool next_pass();
  void count_batch() noexcept;
  RecalibrationReport finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The inputs of what a loader gives: a Tensor, something with a member `inputs`, or the first of a pair.
template <class Element>
const Tensor& inputs_of(const Element& element) {
  if constexpr (std::convertible_to<const Element&, const Tensor&>) {
    return element;
  } else if constexpr (requires { element.inputs; }) {
    return element.inputs;
  } else {
    return element.first;
  }
}

}  // namespace detail

/// Gives every norm with running statistics in `model` the mean and variance of what comes to it in all `batches`,
/// merged exactly (see ChannelMoments): for a norm that gets the data itself, those of the whole data set. BatchNorm's
/// running_var gets the estimate that the norm has in training (unbiased, unless the norm says otherwise);
/// InstanceNorm's statistics are means over all samples of the samples' statistics. num_batches_tracked becomes the
/// number of batches.
///
/// `batches` is a range of Tensors, of things with a member `inputs`, or of pairs whose first is the input; with
/// layer_by_layer it is gone through several times. (A DataLoader counts that as epochs: give it one of its own.) The
/// model is called without gradients and in eval mode, so that dropout is off. Frozen norms stay as they are. Mode and
/// hooks are afterwards as they were; when a forward throws, so are the statistics. Batches may have any size, 1 and 0
/// included. Throws ValueError when there is no batch, or nothing but empty ones came to a norm, and for a model
/// without such norms.
template <std::derived_from<Module> M, class Batches>
RecalibrationReport recalibrate(M& model, Batches&& batches, RecalibrateOptions options = {}) {
  detail::Recalibration work(model, options);
  while (work.next_pass()) {
    for (auto&& batch : batches) {
      work.count_batch();
      model(detail::inputs_of(batch));
    }
  }
  return work.finish();
}

}  // namespace normgrad
