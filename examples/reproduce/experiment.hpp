// What the experiments of `reproduce` have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "examples/compare_norms/training.hpp"
#include "examples/lab/page.hpp"
#include "examples/lab/statistics.hpp"
#include "normgrad/normgrad.hpp"

namespace reproduce {

struct Settings {
  bool quick = false;  ///< fewer steps and seeds
  std::string data;
  int jobs = 1;
  std::uint64_t first_seed = 1;
};

/// One statement of a paper beside what came out here.
struct Finding {
  std::string claim;      ///< what the paper says
  std::string published;  ///< its number, or "none printed"
  std::string measured;   ///< with an interval
  bool held = false;
  bool judged = true;  ///< false: the short form is too short for the number; then `held` says nothing
};

struct Outcome {
  std::string name;
  std::string source;   ///< paper and place
  std::string setup;    ///< what was done here
  std::string differs;  ///< from the paper
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
Outcome learning_rate(const Settings& settings);
Outcome lenet_fashion(const Settings& settings);

/// Thrown by compute() after Ctrl-C.
struct Interrupted {};

using Numbers = std::vector<double>;

/// task(i) for i in [0, count), each in a process of its own with one thread; the results come back bit by bit. `name`:
/// of the experiment, for the progress that is shown.
std::vector<Numbers> compute(const Settings& settings, const std::string& name, std::size_t count,
                             const std::function<Numbers(std::size_t)>& task);

/// Steps of plain training of `net` on random batches; `after(step, loss)` is called after each.
void train_steps(normgrad::Sequential& net, normgrad::Optimizer& optimizer, const normgrad::ImageDataset& images,
                 std::int64_t steps, std::int64_t batch_size, std::uint64_t seed,
                 const std::function<void(std::int64_t, double)>& after = {});

/// In eval mode; the model is left in training mode.
double test_accuracy(normgrad::Sequential& net, const normgrad::ImageDataset& images);

/// "1.79", with as many decimals.
std::string fixed(double value, int digits);
/// "1.79 (1.77 to 1.81)".
std::string with_interval(const lab::Estimate& estimate, int digits);
/// "12.1 points (11.0 to 13.2, 3 seeds)" of a difference from 0 to 1.
std::string points(const lab::Estimate& difference);

}  // namespace reproduce
