// Shared code of the experiments of `reproduce`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lab/compare_norms/training.hpp"
#include "lab/page.hpp"
#include "lab/statistics.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/normgrad.hpp"

namespace reproduce {

struct Settings {
  bool quick = false;  ///< fewer steps and seeds
  bool tiny = false;   ///< a few steps, to try the code: nothing is judged
  std::string data;
  int jobs = 1;
  std::uint64_t first_seed = 1;

  /// The number for this form.
  template <class Number>
  Number choose(Number in_full, Number in_quick, Number in_tiny) const {
    return tiny ? in_tiny : quick ? in_quick : in_full;
  }
};

/// A claim of a paper and the corresponding measurement.
struct Finding {
  std::string claim;      ///< claim of the paper
  std::string published;  ///< published number, or "none printed"
  std::string measured;   ///< measured number with an interval
  bool held = false;
  bool judged = true;  ///< false: the short form is too short for this number, and `held` is meaningless
};

struct Outcome {
  std::string name;
  std::string source;   ///< paper and section
  std::string setup;    ///< setup of this experiment
  std::string differs;  ///< differences from the paper
  std::vector<Finding> findings = {};
  std::vector<lab::Chart> charts = {};
  std::vector<lab::Table> tables = {};
  double seconds = 0.0;
};

struct Experiment {
  const char* name;
  const char* summary;
  Outcome (*run)(const Settings& settings);
};
/// In the order in which `all` runs them.
const std::vector<Experiment>& experiments();

Outcome mean_field(const Settings& settings);
Outcome detach_norm(const Settings& settings);
Outcome bn_figure1(const Settings& settings);
Outcome gn_batch_size(const Settings& settings);
Outcome sync_bn(const Settings& settings);
Outcome learning_rate(const Settings& settings);
Outcome lenet_fashion(const Settings& settings);
Outcome pre_post_ln(const Settings& settings);
Outcome deepnorm(const Settings& settings);
Outcome qk_norm(const Settings& settings);
Outcome rmsnorm(const Settings& settings);
Outcome dyt(const Settings& settings);
Outcome batch_renorm(const Settings& settings);
Outcome ghost_batch(const Settings& settings);
Outcome frn(const Settings& settings);
Outcome ws_gn(const Settings& settings);
Outcome spectral(const Settings& settings);

/// Thrown by compute() after Ctrl-C.
struct Interrupted {};

using Numbers = std::vector<double>;

/// Calls task(i) for i in [0, count), each in its own process with one thread. The results are returned bit for bit.
/// `name` is the experiment's name for the progress display.
std::vector<Numbers> compute(const Settings& settings, const std::string& name, std::size_t count,
                             const std::function<Numbers(std::size_t)>& task);

/// Makes the norm of a number of features.
using NormMaker = std::function<normgrad::AnyModule(std::int64_t features)>;

/// Three convolutions of 8, 16 and 32 channels, each with norm, ReLU and pool; mean over positions; linear. "group" has
/// 4 groups; "frn" has no ReLU behind it.
normgrad::Sequential small_conv_net(const std::string& norm, const compare_norms::Data& data);

/// 784-100-100-10 with norms and ReLU.
normgrad::Sequential small_connected_net(const std::string& norm, const compare_norms::Data& data);
normgrad::Sequential small_connected_net(const NormMaker& make, const compare_norms::Data& data);

/// The data with at most `train` training images (0: all) and `test` test images.
compare_norms::Data few_images(const std::string& source, std::int64_t train, std::int64_t test);

/// Trains `net` for `steps` steps on random batches; calls after(step, loss) after each.
void train_steps(normgrad::Sequential& net, normgrad::Optimizer& optimizer, const normgrad::ImageDataset& images,
                 std::int64_t steps, std::int64_t batch_size, std::uint64_t seed,
                 const std::function<void(std::int64_t, double)>& after = {});

/// One step whose gradient is the mean over `parts`, each of which passes the net by itself.
void step_in_parts(normgrad::Sequential& net, normgrad::Optimizer& optimizer,
                   const std::vector<normgrad::Batch>& parts);

/// The parts of a batch, of `size` examples each.
std::vector<normgrad::Batch> parts_of(const normgrad::Batch& batch, std::int64_t size);

/// Computed in eval mode; leaves the model in training mode.
double test_accuracy(normgrad::Sequential& net, const normgrad::ImageDataset& images);

/// "1.79", with `digits` decimals.
std::string fixed(double value, int digits);
/// "1.79 (1.77 to 1.81)".
std::string with_interval(const lab::Estimate& estimate, int digits);
/// "12.1 points (11.0 to 13.2, 3 seeds)" for a difference as a fraction.
std::string points(const lab::Estimate& difference);

}  // namespace reproduce
