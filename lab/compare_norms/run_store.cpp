#include "lab/compare_norms/run_store.hpp"

#include <cmath>
#include <filesystem>
#include <limits>
#include <sstream>
#include <nlohmann/json.hpp>

#include "lab/compare_norms/models.hpp"
#include "lab/files.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

using normgrad::log;
using normgrad::LogLevel;
using Json = nlohmann::ordered_json;

namespace {

constexpr int kFormat = 4;

/// JSON has neither NaN nor infinity.
Json stored_number(double value) {
  if (std::isfinite(value)) {
    return value;
  }
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double value_of(const Json& json) {
  if (json.is_number()) {
    return json.get<double>();
  }
  const std::string text = json.get<std::string>();
  const double infinity = std::numeric_limits<double>::infinity();
  return text == "inf" ? infinity : text == "-inf" ? -infinity : std::numeric_limits<double>::quiet_NaN();
}

Json probe_json(const Probe& probe) {
  Json json = {{"step", probe.step},
               {"accuracies", {probe.train_mode_accuracy, probe.eval_mode_accuracy}},
               {"percentiles", Json::array()},
               {"gradients", Json::array()},
               {"drifts", Json::array()}};
  for (const Percentiles& p : probe.percentiles) {
    json["percentiles"].push_back({p.layer, stored_number(p.p15), stored_number(p.p50), stored_number(p.p85),
                                   stored_number(p.unit15), stored_number(p.unit50), stored_number(p.unit85)});
  }
  for (const GradientNorm& g : probe.gradients) {
    json["gradients"].push_back({g.layer, stored_number(g.norm)});
  }
  for (const StatisticsDrift& d : probe.drifts) {
    json["drifts"].push_back({d.layer, stored_number(d.mean_shift), stored_number(d.std_ratio)});
  }
  return json;
}

Probe probe_of(const Json& json) {
  Probe probe;
  probe.step = json.at("step");
  probe.train_mode_accuracy = json.at("accuracies").at(0);
  probe.eval_mode_accuracy = json.at("accuracies").at(1);
  for (const Json& p : json.at("percentiles")) {
    probe.percentiles.push_back({p.at(0), value_of(p.at(1)), value_of(p.at(2)), value_of(p.at(3)), value_of(p.at(4)),
                                 value_of(p.at(5)), value_of(p.at(6))});
  }
  for (const Json& g : json.at("gradients")) {
    probe.gradients.push_back({g.at(0), value_of(g.at(1))});
  }
  for (const Json& d : json.at("drifts")) {
    probe.drifts.push_back({d.at(0), value_of(d.at(1)), value_of(d.at(2))});
  }
  return probe;
}

Json run_json(const Run& run) {
  Json json = {{"seed", run.seed},
               {"steps", run.steps},
               {"seconds", run.seconds},
               {"peak_memory", run.peak_memory},
               {"diverged", run.diverged},
               {"complete", run.complete},
               {"measurements", Json::array()},
               {"probes", Json::array()}};
  for (const Measurement& m : run.measurements) {
    json["measurements"].push_back({m.step, m.epoch, stored_number(m.train_loss), stored_number(m.test_loss),
                                    stored_number(m.test_accuracy), m.seconds, stored_number(m.test_deviation)});
  }
  for (const Probe& probe : run.probes) {
    json["probes"].push_back(probe_json(probe));
  }
  return json;
}

Run run_of(const Json& json) {
  Run run;
  run.seed = json.at("seed");
  run.steps = json.at("steps");
  run.seconds = json.at("seconds");
  run.peak_memory = json.at("peak_memory");
  run.diverged = json.at("diverged");
  run.complete = json.at("complete");
  for (const Json& m : json.at("measurements")) {
    run.measurements.push_back({.step = m.at(0),
                                .epoch = m.at(1),
                                .train_loss = value_of(m.at(2)),
                                .test_loss = value_of(m.at(3)),
                                .test_accuracy = value_of(m.at(4)),
                                .seconds = m.at(5),
                                .test_deviation = value_of(m.at(6))});
  }
  for (const Json& probe : json.at("probes")) {
    run.probes.push_back(probe_of(probe));
  }
  return run;
}

/// The checksum of the text in the file; numbers are read and written exactly.
std::string checksum_of(const std::string& key, const Json& run) { return lab::fingerprint(key + run.dump()); }

std::string data_key(const std::string& model, const Data& data) {
  return std::to_string(data.train_set(model)->size()) + ' ' + std::to_string(data.test_set(model)->size()) + ' ' +
         (reads_text(model) ? data.text->fingerprint : data.fingerprint);
}

}  // namespace

std::string run_key(const Plan& planned, std::uint64_t seed, const Data& data) {
  const Plan plan = without_idle_settings(planned);
  std::ostringstream key;
  key.precision(17);
  key << "format " << kFormat << "; model " << plan.model << "; norm " << plan.norm << "; activation "
      << plan.activation << "; optimizer " << plan.optimizer << "; lr " << plan.lr << "; momentum " << plan.momentum
      << "; batch size " << plan.batch_size << "; warm-up " << plan.warmup << "; schedule " << plan.schedule
      << "; placement " << plan.placement << "; qk norm " << plan.qk_norm << "; steps " << plan.steps << "; eval every "
      << plan.eval_every << "; probes " << plan.probes << "; seed " << seed << "; data " << data_key(plan.model, data)
      << "; build " << lab::build_fingerprint() << ' ' << normgrad::simd_name(normgrad::simd_level()) << "; oneDNN "
      << normgrad::run_conditions().at("onednn");
  return key.str();
}

std::string to_json(const Run& run) { return run_json(run).dump(); }

std::optional<Run> run_from_json(const std::string& text) {
  try {
    return run_of(Json::parse(text));
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

RunStore::RunStore(std::filesystem::path folder) : folder_(std::move(folder)) { lab::make_folder("--out", folder_); }

std::filesystem::path RunStore::file_of(const std::string& key) const {
  return folder_ / (lab::fingerprint(key) + ".json");
}

std::optional<Run> RunStore::load(const std::string& key) const {
  const std::filesystem::path file = file_of(key);
  const std::optional<std::string> text = lab::read_whole(file);
  if (!text) {
    return std::nullopt;
  }
  const auto damaged = [&](const char* how) {
    log(LogLevel::warn, "'", file.string(), "' ", how, " and is not used; the run is repeated");
    return std::nullopt;
  };
  try {
    const Json json = Json::parse(*text);
    if (json.at("key") != key) {
      return damaged("is the file of another run");
    }
    if (json.at("checksum") != checksum_of(key, json.at("run"))) {
      return damaged("is damaged: it does not have the checksum that it states");
    }
    return run_of(json.at("run"));
  } catch (const Json::exception&) {
    return damaged("is damaged: it is not a run's JSON");
  }
}

void RunStore::save(const std::string& key, const Run& run) const {
  const Json json = run_json(run);
  lab::write_whole(file_of(key),
                   Json({{"key", key}, {"checksum", checksum_of(key, json)}, {"run", json}}).dump() + "\n");
}

}  // namespace compare_norms
