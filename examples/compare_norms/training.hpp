// One training run of compare_norms.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "examples/compare_norms/options.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// One row of results.csv.
struct Measurement {
  std::int64_t step = 0;
  double epoch = 0.0;          ///< passes through the training images so far
  double train_loss = 0.0;     ///< mean over the batches since the measurement before
  double test_loss = 0.0;      ///< over all test images, in eval mode
  double test_accuracy = 0.0;  ///< from 0 to 1
  double seconds = 0.0;        ///< spent on training since the run began, measurements not counted
};

struct Run {
  std::string model;
  std::string norm;
  std::uint64_t seed = 0;
  std::vector<Measurement> measurements;
  std::int64_t steps = 0;       ///< that were done
  double seconds = 0.0;         ///< that they took
  std::size_t peak_memory = 0;  ///< bytes in tensors at once while training
  bool diverged = false;        ///< the loss became infinite or NaN; the run ended there
  bool complete = false;        ///< neither interrupted nor diverged
};

/// What is told and asked while a run goes on.
struct RunEvents {
  std::function<void(std::int64_t step)> on_step;
  std::function<void(const Run&, const Measurement&)> on_measurement;
  std::function<bool()> should_stop;
};

/// Trains `plan.model` with `norm`. Initialisation and order of images depend on `seed` only.
Run train(const Plan& plan, const std::string& norm, std::uint64_t seed, const normgrad::ImageSplits& data,
          const RunEvents& events);

}  // namespace compare_norms
