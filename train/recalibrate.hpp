// recalibrate: recomputes running statistics from data.
//
//   recalibrate(net, DataLoader(train, {.batch_size = 256}));
//
// After training, BatchNorm holds an exponential mean over the last batches, taken while the weights were changing.
// This computes the statistics of a whole data set with fixed weights (Wu and Johnson, "Rethinking 'Batch' in
// BatchNorm", 2021, section 3).
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of recalibrate().
struct RecalibrateOptions {
  /// false: one pass, in which each batch is normalized with its own statistics, as in training (a batch of one value,
  /// which has no variance, is normalized with those of all batches so far). The input of a deeper norm has then been
  /// normalized slightly differently than in eval mode.
  /// true: one pass per norm, in which the norms before it already normalize with their new running statistics. In eval
  /// mode the input of every norm then has exactly its running mean and variance.
  bool layer_by_layer = false;
};

/// Report of recalibrate().
struct RecalibrationReport {
  /// The result for one norm.
  struct Entry {
    std::string name;                     ///< full name
    std::int64_t batches = 0;             ///< number in the statistics
    std::int64_t values = 0;              ///< per channel; for an instance norm the number of samples
    std::int64_t non_finite_batches = 0;  ///< excluded because of NaN or infinite values
    std::int64_t empty_batches = 0;       ///< contained no values
  };
  /// Norms with new running statistics, in the order of members.
  std::vector<Entry> norms;
  /// Norms left unchanged, because they received no batch with finite values, are frozen, or have running statistics
  /// other than mean and variance (RunningStatsNorm::has_input_moments).
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
  /// Starts a pass over the batches. Returns false when all passes are done.
  bool next_pass();
  void count_batch() noexcept;
  RecalibrationReport finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Returns the inputs of a loader's element: a Tensor, an object with a member `inputs`, or the first of a pair.
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

/// Sets the running statistics of every norm in `model` to the mean and variance of its input over all `batches`,
/// merged exactly (see ChannelMoments); for a norm that receives the data itself these are the statistics of the data
/// set. BatchNorm's running_var is the estimate used in training (unbiased, unless the norm specifies otherwise), and
/// its num_batches_tracked becomes the number of batches. InstanceNorm's statistics are the means of the samples'
/// statistics over all samples.
///
/// `batches` is a range of Tensors, of objects with a member `inputs`, or of pairs whose first is the input. With
/// layer_by_layer it is traversed several times. (A DataLoader counts these as epochs: pass a separate one.) The model
/// is called without gradients and in eval mode, so dropout is off. Frozen norms are unchanged. Mode and hooks are
/// restored afterwards and, if a forward throws, the statistics too. Batches may have any size, including 1 and 0.
/// Throws ValueError if there is no batch, if a norm received only empty ones, and for a model without such norms.
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
