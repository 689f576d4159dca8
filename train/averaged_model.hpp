// AveragedModel: a copy of a model whose weights are averaged over time.
//
//   AveragedModel ema(net, {.decay = 0.999});    // exponential; without decay the plain mean (SWA)
//   ...
//   optimizer.step();
//   ema.update(net);
//   ...
//   const Tensor logits = ema(images);
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "normgrad/layers/module/module.hpp"
#include "normgrad/train/recalibrate.hpp"

namespace normgrad {

/// Treatment of buffers, such as running statistics.
enum class AveragedBuffers : std::uint8_t {
  copy,     ///< the model's at the last update, as in PyTorch; they belong to other weights than the average's
  average,  ///< averaged like the weights (integers, such as counters, are copied)
  /// The initial ones until recalibrate(), which must be called before the average is used. Only these belong to the
  /// averaged weights.
  recalibrate
};

/// Options of an AveragedModel.
struct AveragedModelOptions {
  /// average = decay * average + (1 - decay) * model. nullopt: the mean over all updates.
  std::optional<double> decay = std::nullopt;
  AveragedBuffers buffers = AveragedBuffers::copy;  ///< treatment of buffers
};

namespace detail {

/// Averages in float64, by full name. An update may be too small to change a float32 number.
using ExactAverages = std::map<std::string, std::vector<double>>;
/// Returns `model`. Throws Error for a class derived from `type`, which a copy would slice.
const Module& not_cut_down(const Module& model, const std::type_info& type);
/// Computes average += weight * (model - average) for all parameters, and treats buffers as specified. Throws
/// ValueError if the members of the models differ.
void average_into(Module& average, ExactAverages& exact, const Module& model, double weight, AveragedBuffers buffers);
/// Throws ValueError unless 0 <= decay < 1.
void check_decay(const AveragedModelOptions& options);
/// Returns "n_averaged", "is_calibrated", and the model's state under "module.".
StateDict averaged_state(const Module& average, const ExactAverages& exact, std::int64_t count, bool calibrated);
std::function<void()> prepare_averaged_state(Module& average, ExactAverages& exact, const StateDict& state,
                                             std::int64_t& count, bool& calibrated);

}  // namespace detail

/// torch.optim.swa_utils.AveragedModel (SWA: Izmailov et al., "Averaging weights leads to wider optima and better
/// generalization", 2018). The first update() copies the weights. Averages are kept in float64 beside the averaged
/// model, whatever its dtype: with decay 0.9999 a float32 number would not change by steps below 1/1000 of it. Values
/// written to module() between updates are adopted. The average is in eval mode and requires no gradients.
template <std::derived_from<Module> M>
class AveragedModel {
 public:
  /// Starts as a copy of `model`. Throws ValueError unless 0 <= decay < 1, and Error for a model of a class derived
  /// from M, which a copy would slice.
  explicit AveragedModel(const M& model, AveragedModelOptions options = {})
      : average_(static_cast<const M&>(detail::not_cut_down(model, typeid(M)))), options_(options) {
    detail::check_decay(options);
    average_.eval();
    average_.requires_grad_(false);
    calibrated_ = true;
  }

  /// Adds the weights of the model to the average. Throws ValueError if its members differ.
  void update(const M& model) {
    const double n = static_cast<double>(count_);
    const double weight = count_ == 0 ? 1.0 : options_.decay ? 1.0 - *options_.decay : 1.0 / (n + 1.0);
    detail::average_into(average_, exact_, model, weight, options_.buffers);
    ++count_;
    calibrated_ = options_.buffers != AveragedBuffers::recalibrate;
  }
  /// Returns the number of updates.
  std::int64_t num_averaged() const noexcept { return count_; }

  /// Computes new running statistics for the averaged weights from the batches; see recalibrate.hpp.
  template <class Batches>
  RecalibrationReport recalibrate(Batches&& batches, RecalibrateOptions options = {}) {
    RecalibrationReport report = normgrad::recalibrate(average_, std::forward<Batches>(batches), options);
    calibrated_ = true;
    return report;
  }
  /// Returns whether the buffers belong to the weights, as far as the options promise it.
  bool is_calibrated() const noexcept { return calibrated_; }

  /// Returns the averaged model.
  M& module() noexcept { return average_; }
  /// Calls the averaged model. Throws ValueError if recalibrate() is required first.
  template <class... Args>
  decltype(auto) operator()(Args&&... args) {
    require<ValueError>(calibrated_,
                        "AveragedModel: the buffers do not match the averaged weights; call recalibrate(batches) after "
                        "the last update");
    return average_(std::forward<Args>(args)...);
  }

  /// Returns "n_averaged", "is_calibrated" and, under "module.", the averaged model's entries; averages are float64.
  StateDict state_dict() const { return detail::averaged_state(average_, exact_, count_, calibrated_); }
  /// Restores a state with entries of any floating-point dtype. Throws ValueError, listing all mismatches, before
  /// anything is changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw. The object must live until then.
  std::function<void()> prepare_state_dict(const StateDict& state) {
    return detail::prepare_averaged_state(average_, exact_, state, count_, calibrated_);
  }

 private:
  M average_;
  detail::ExactAverages exact_;
  AveragedModelOptions options_;
  std::int64_t count_ = 0;
  bool calibrated_ = true;
};

}  // namespace normgrad
