// AveragedModel: a second model whose weights are an average of the first one's over time.
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

#include "normgrad/layers/module.hpp"
#include "normgrad/train/recalibrate.hpp"

namespace normgrad {

/// What the average has for buffers, such as running statistics.
enum class AveragedBuffers : std::uint8_t {
  copy,     ///< those of the model at the last update, as in PyTorch. They belong to other weights than the average's.
  average,  ///< averaged like the weights (counters and other integers are copied)
  /// Those of the start until recalibrate(), which has to be called before the average is used: the only ones that
  /// belong to the averaged weights.
  recalibrate
};

/// Options of an AveragedModel.
struct AveragedModelOptions {
  /// average = decay * average + (1 - decay) * model. nullopt: the mean over all updates.
  std::optional<double> decay = std::nullopt;
  AveragedBuffers buffers = AveragedBuffers::copy;  ///< what becomes of buffers
};

namespace detail {

/// The averages in float64, by full name: what an update adds may be too little for a float32 number to change.
using ExactAverages = std::map<std::string, std::vector<double>>;
/// Gives back `model`; throws Error for a class derived from `type`, which a copy would cut down to it.
const Module& not_cut_down(const Module& model, const std::type_info& type);
/// average += weight * (model - average) for all parameters, and buffers as said. Throws ValueError for models of
/// different members.
void average_into(Module& average, ExactAverages& exact, const Module& model, double weight, AveragedBuffers buffers);
/// Throws ValueError unless 0 <= decay < 1.
void check_decay(const AveragedModelOptions& options);
/// "n_averaged", "is_calibrated", and the model's under "module.".
StateDict averaged_state(const Module& average, const ExactAverages& exact, std::int64_t count, bool calibrated);
std::function<void()> prepare_averaged_state(Module& average, ExactAverages& exact, const StateDict& state,
                                             std::int64_t& count, bool& calibrated);

}  // namespace detail

/// torch.optim.swa_utils.AveragedModel (SWA: Izmailov et al., "Averaging weights leads to wider optima and better
/// generalization", 2018). The first update() takes the weights as they are. Averages are kept in float64 beside the
/// averaged model, whatever its dtype: with decay 0.9999 a float32 number would stand still where a step is less than
/// 1/1000 of it. What is written into module() meanwhile is taken over. The average is in eval mode and requires no
/// gradients.
template <std::derived_from<Module> M>
class AveragedModel {
 public:
  /// Starts as a copy of `model`. Throws ValueError unless 0 <= decay < 1, and Error for a model of a class derived
  /// from M, which a copy would cut down to M.
  explicit AveragedModel(const M& model, AveragedModelOptions options = {})
      : average_(static_cast<const M&>(detail::not_cut_down(model, typeid(M)))), options_(options) {
    detail::check_decay(options);
    average_.eval();
    average_.requires_grad_(false);
    calibrated_ = true;
  }

  /// Takes in the weights of the model. Throws ValueError for a model of other members.
  void update(const M& model) {
    const double n = static_cast<double>(count_);
    const double weight = count_ == 0 ? 1.0 : options_.decay ? 1.0 - *options_.decay : 1.0 / (n + 1.0);
    detail::average_into(average_, exact_, model, weight, options_.buffers);
    ++count_;
    calibrated_ = options_.buffers != AveragedBuffers::recalibrate;
  }
  /// How many updates there were.
  std::int64_t num_averaged() const noexcept { return count_; }

  /// Takes new running statistics for the averaged weights from the batches; see recalibrate.hpp.
  template <class Batches>
  RecalibrationReport recalibrate(Batches&& batches, RecalibrateOptions options = {}) {
    RecalibrationReport report = normgrad::recalibrate(average_, std::forward<Batches>(batches), options);
    calibrated_ = true;
    return report;
  }
  /// Whether the buffers belong to the weights, as far as the options promise it.
  bool is_calibrated() const noexcept { return calibrated_; }

  /// The averaged model.
  M& module() noexcept { return average_; }
  /// Its result. Throws ValueError when recalibrate() is due.
  template <class... Args>
  decltype(auto) operator()(Args&&... args) {
    require<ValueError>(calibrated_,
                        "AveragedModel: the buffers do not belong to the weights yet: call recalibrate(batches) after "
                        "the last update");
    return average_(std::forward<Args>(args)...);
  }

  /// "n_averaged", "is_calibrated" and, under "module.", the averaged model's entries; what is averaged is in float64.
  StateDict state_dict() const { return detail::averaged_state(average_, exact_, count_, calibrated_); }
  /// Goes on from there, with entries of any floating point dtype. Throws ValueError, listing what does not fit, before
  /// anything is changed.
  void load_state_dict(const StateDict& state) { prepare_state_dict(state)(); }
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns does the
  /// rest and does not throw. The object must live until then.
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
