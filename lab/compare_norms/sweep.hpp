// All runs of a sweep, distributed over processes and resumable.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lab/compare_norms/options.hpp"
#include "lab/compare_norms/run_store.hpp"
#include "lab/compare_norms/training.hpp"

namespace compare_norms {

/// One setting, over its seeds.
struct Cell {
  Plan plan;
  std::string not_applicable = {};  ///< why the model cannot have the norm, or ""
  std::vector<Run> runs = {};       ///< by seed; those of an interrupted sweep may be missing or incomplete
};

/// The complete state of compare_norms.
struct Sweep {
  Options options;
  std::string data;
  std::int64_t train_images = 0;
  std::int64_t test_images = 0;
  std::int64_t num_classes = 0;
  std::string image_shape;
  std::string text;              ///< name of the text of language models; "" without one
  std::int64_t text_labels = 0;  ///< characters of it on which the accuracy is measured
  std::int64_t characters = 0;   ///< different ones
  int jobs = 1;
  int threads = 1;  ///< per run
  std::string simd;
  std::vector<Cell> cells;
  bool complete = false;
};

/// The settings without any runs. Throws for images that do not fit a model.
Sweep plan_sweep(const Options& options, const Data& data);

/// Makes all runs that `store` does not have (all runs with --fresh), seed by seed, each in a process with
/// `sweep.threads` threads, and adds all runs to the cells. Returns when all are done or one was interrupted.
///
/// With `claims`, a folder, other programs make runs of the same sweep at the same time: each run is made by the first
/// that claims it there, and another one takes it if that ends before the run is stored.
void run_sweep(Sweep& sweep, const Data& data, const RunStore& store, const std::filesystem::path& claims = {});

/// What a model learns from, how many predictions its accuracy is measured on, and of how many classes they are.
const std::string& data_of(const Sweep& sweep, const std::string& model);
std::int64_t num_test_labels(const Sweep& sweep, const std::string& model);
std::int64_t num_classes_of(const Sweep& sweep, const std::string& model);
/// The varied settings but `except` in words, joined: "lr 0.1, batch 60, post-norm".
std::string varied_in_words(const Sweep& sweep, const Plan& plan, const std::string& separator = ", ",
                            const std::string& except = "");
/// "mlp batch lr 0.1 seed 2": model, norm, and the settings that vary between the cells.
std::string name_of(const Sweep& sweep, const Plan& plan);
/// The settings that vary between the cells, besides model and norm, with their values in `plan`: {"lr", "0.1"}.
std::vector<std::pair<std::string, std::string>> varied(const Sweep& sweep, const Plan& plan);

}  // namespace compare_norms
