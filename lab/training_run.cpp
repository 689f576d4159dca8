#include "lab/training_run.hpp"

#include <filesystem>

#include "normgrad/core/base/log.hpp"

namespace lab {

using namespace normgrad;
namespace fs = std::filesystem;

void check_run_folder(const RunOptions& options, const fs::path& checkpoint) {
  std::error_code none;
  const bool exists = fs::exists(checkpoint, none);
  require<ValueError>(exists || !options.resume, "--resume: there is no checkpoint '", checkpoint.string(), "'");
  require<ValueError>(!exists || options.resume || options.overwrite, "--out: '", options.out.string(),
                      "' holds a run: --resume continues it, --overwrite starts over");
}

void resume_run(const RunOptions& options, const fs::path& checkpoint, const CheckpointParts& run) {
  const std::string differences = options.resume_anyway ? std::string() : checkpoint_differences(checkpoint, run);
  require<ValueError>(differences.empty(),
                      "--resume: the run was started under other conditions and would not continue bit for bit:",
                      differences, "\n--resume-anyway continues it anyway");
  load_checkpoint(checkpoint, run, {.anyway = options.resume_anyway});
}

CheckpointPart options_part(std::vector<std::pair<std::string, double>> flags) {
  const auto state = [flags] {
    StateDict values;
    for (const auto& [name, value] : flags) {
      values[name] = Tensor::empty({}, kFloat64).fill_(value);
    }
    return values;
  };
  return {"options", state, [flags](const StateDict& saved) {
            for (const auto& [name, value] : flags) {
              const auto before = saved.find(name);
              require<ValueError>(before != saved.end(), "the run was started without --", name);
              require<ValueError>(before->second.item() == value, "--", name, " is ", value,
                                  " but the run was started with ", before->second.item());
            }
          }};
}

void log_run_conditions() {
  for (const auto& [name, value] : run_conditions()) {
    log(LogLevel::info, name, ": ", value);
  }
}

TrainingRun::TrainingRun(const RunOptions& options)
    : options_(options), checkpoint_(options.out / "checkpoint.safetensors") {
  make_folder("--out", options_.out);
  lock_.emplace(options_.out);
  check_run_folder(options_, checkpoint_);
}

void TrainingRun::begin(CheckpointParts parts) {
  csv_.emplace(path("metrics.csv"));
  json_.emplace(path("metrics.jsonl"));
  parts_ = std::move(parts);
  parts_.push_back({"step", steps_});
  parts_.push_back({"csv", *csv_});
  parts_.push_back({"json", *json_});
  if (options_.resume) {
    resume_run(options_, checkpoint_, parts_);
  }
  set_log_file(path("train.log"));
  if (options_.resume) {
    log(LogLevel::info, "continuing after step ", steps_);
  }
  log_run_conditions();
}

void TrainingRun::end_step() {
  if (++steps_ % options_.checkpoint_every == 0) {
    save();
  }
}

void TrainingRun::write(const Metrics& row) {
  csv_->write(row);
  json_->write(row);
}

void TrainingRun::save() const { save_checkpoint(checkpoint_, parts_); }

}  // namespace lab
