// All runs of a sweep, spread over processes, and taken up again where it was stopped.
#pragma once

#include <string>
#include <vector>

#include "examples/compare_norms/options.hpp"
#include "examples/compare_norms/run_store.hpp"
#include "examples/compare_norms/training.hpp"

namespace compare_norms {

/// One setting, over its seeds.
struct Cell {
  Plan plan;
  std::string not_applicable = {};  ///< why the model cannot have the norm; else empty
  std::vector<Run> runs = {};       ///< by seed; those of an interrupted sweep may be missing or incomplete
};

/// All that is known when compare_norms is done.
struct Sweep {
  Options options;
  std::string data;
  std::int64_t train_images = 0;
  std::int64_t test_images = 0;
  std::int64_t num_classes = 0;
  std::string image_shape;
  int jobs = 1;
  int threads = 1;  ///< of each run
  std::string simd;
  std::vector<Cell> cells;
  bool complete = false;
};

/// The settings without any runs. Throws for images that do not fit a model.
Sweep plan_sweep(const Options& options, const Data& data);

/// Makes all runs that `store` does not have (all with --fresh), seed by seed, each in a process with `sweep.threads`
/// threads, and puts all into the cells. Returns when all are done or one was interrupted.
void run_sweep(Sweep& sweep, const Data& data, const RunStore& store);

/// "mlp batch lr 0.1 seed 2": model, norm, and what else differs between the cells.
std::string name_of(const Sweep& sweep, const Plan& plan);
/// The settings that differ between the cells, besides model and norm, and their values in `plan`: {"lr", "0.1"}.
std::vector<std::pair<std::string, std::string>> varied(const Sweep& sweep, const Plan& plan);

}  // namespace compare_norms
