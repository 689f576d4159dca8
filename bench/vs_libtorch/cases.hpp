// The benchmark cases and their timing. Included by the normgrad program and by the LibTorch program, so that shapes,
// models and timing are identical.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace bench {

struct NormCase {
  const char* layer;  ///< PyTorch's class name
  std::vector<std::int64_t> shape;
  std::int64_t groups = 0;                    ///< GroupNorm
  std::vector<std::int64_t> normalized = {};  ///< LayerNorm
  bool tracked = false;                       ///< InstanceNorm with running statistics
};

/// Returns the 17 layers and shapes of the baselines; training mode, affine, float32.
inline std::vector<NormCase> norm_cases() {
  return {
      {.layer = "BatchNorm1d", .shape = {60, 100}},
      {.layer = "BatchNorm1d", .shape = {128, 1024}},
      {.layer = "BatchNorm2d", .shape = {64, 32, 28, 28}},
      {.layer = "BatchNorm2d", .shape = {64, 64, 14, 14}},
      {.layer = "BatchNorm2d", .shape = {32, 64, 56, 56}},
      {.layer = "BatchNorm2d", .shape = {32, 512, 7, 7}},
      {.layer = "BatchNorm3d", .shape = {8, 16, 16, 28, 28}},
      {.layer = "LayerNorm", .shape = {60, 100}, .normalized = {100}},
      {.layer = "LayerNorm", .shape = {128, 1024}, .normalized = {1024}},
      {.layer = "LayerNorm", .shape = {4096, 768}, .normalized = {768}},
      {.layer = "LayerNorm", .shape = {64, 32, 28, 28}, .normalized = {32, 28, 28}},
      {.layer = "InstanceNorm2d", .shape = {64, 32, 28, 28}},
      {.layer = "InstanceNorm2d", .shape = {32, 64, 56, 56}},
      {.layer = "InstanceNorm2d", .shape = {64, 64, 14, 14}, .tracked = true},
      {.layer = "GroupNorm", .shape = {64, 32, 28, 28}, .groups = 8},
      {.layer = "GroupNorm", .shape = {32, 64, 56, 56}, .groups = 32},
      {.layer = "GroupNorm", .shape = {32, 512, 7, 7}, .groups = 32},
  };
}

inline std::string name_of(const NormCase& c) {
  std::string name = c.layer;
  if (c.groups != 0) {
    name.append("(").append(std::to_string(c.groups)).append(")");
  }
  name += c.tracked ? " tracked " : " ";
  for (std::size_t i = 0; i < c.shape.size(); ++i) {
    name.append(i == 0 ? "" : "x").append(std::to_string(c.shape[i]));
  }
  return name;
}

/// Training steps: forward, cross entropy, backward, SGD. mlp: 784-100-100-100-10 sigmoid, batch 60. cnn: conv3x3 1-32,
/// norm, ReLU, pool, conv3x3 32-64, norm, ReLU, pool, FC 128, ReLU, FC 10, batch 64.
struct StepCase {
  const char* model;
  const char* norm;  ///< none, batch, layer (over C,H,W), instance, group (8 groups)
};

inline std::vector<StepCase> step_cases() {
  return {{"mlp", "none"},  {"mlp", "batch"}, {"cnn", "none"},    {"cnn", "batch"},
          {"cnn", "layer"}, {"cnn", "group"}, {"cnn", "instance"}};
}

inline std::string name_of(const StepCase& c) { return std::string(c.model) + " step, norm " + c.norm; }

struct Options {
  int threads = 1;
  double seconds = 0.3;  ///< time spent on each case
  std::string only;      ///< run only cases whose name contains this
  bool memory = false;   ///< print the process's peak memory in MB instead of times
  bool peak = false;     ///< print it after each time
};

inline Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--threads") == 0) {
      options.threads = std::atoi(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--seconds") == 0) {
      options.seconds = std::atof(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--only") == 0) {
      options.only = argv[i + 1];
    } else if (std::strcmp(argv[i], "--memory") == 0) {
      options.memory = std::atoi(argv[i + 1]) != 0;
    } else if (std::strcmp(argv[i], "--peak") == 0) {
      options.peak = std::atoi(argv[i + 1]) != 0;
    }
  }
  return options;
}

inline bool is_wanted(const Options& options, const std::string& name) {
  return name.find(options.only) != std::string::npos;
}

/// Returns the peak memory of the process in MB; 0 if the system does not report it.
inline double peak_memory() {
  double kilobytes = 0.0;
  if (std::FILE* status = std::fopen("/proc/self/status", "r")) {
    for (char line[256]; std::fgets(line, sizeof(line), status) != nullptr;) {
      if (std::sscanf(line, "VmHWM: %lf", &kilobytes) == 1) {
        break;
      }
    }
    std::fclose(status);
  }
  return kilobytes / 1000.0;
}

/// Prints one line "case<TAB>microseconds": the median over runs of `step`, after a warm-up of a fifth of the time.
template <class F>
void time_case(const Options& options, const std::string& name, F&& step) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point warm_up = Clock::now();
  for (int i = 0; i < 3 || seconds_since(warm_up) < options.seconds / 5; ++i) {
    step();
  }
  std::vector<double> runs;
  const Clock::time_point start = Clock::now();
  while (runs.size() < 5 || seconds_since(start) < options.seconds) {
    const Clock::time_point begin = Clock::now();
    step();
    runs.push_back(seconds_since(begin) * 1e6);
  }
  if (options.memory) {
    std::printf("%s\t%.1f\n", name.c_str(), peak_memory());
    return;
  }
  std::nth_element(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2), runs.end());
  const double median = runs[runs.size() / 2];
  if (options.peak) {
    std::printf("%s\t%.2f\t%.1f\n", name.c_str(), median, peak_memory());
  } else {
    std::printf("%s\t%.2f\n", name.c_str(), median);
  }
  std::fflush(stdout);
}

}  // namespace bench
