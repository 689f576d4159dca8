#include "lab/compare_norms/sweep.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/progress.hpp"
#include "lab/files.hpp"
#include "lab/interrupt.hpp"
#include "lab/launch.hpp"
#include "lab/worker_pool.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr auto kTellEvery = std::chrono::milliseconds(50);

struct Task {
  std::vector<std::size_t> cells;  // all with this key
  std::uint64_t seed = 0;
  std::string key;
};

/// Runs in its own process: trains, stores the result, and sends it. Messages are "s STEP", "m STEP LOSS ACCURACY
/// SECONDS" and "r RUN".
void work(const Task& task, const Sweep& sweep, const Data& data, const RunStore& store, lab::Channel& channel) {
  using Clock = std::chrono::steady_clock;
  set_num_threads(sweep.threads);
  set_log_level("error");  // the parent process reports divergence
  Clock::time_point told = Clock::now();
  const RunEvents events = {.on_step =
                                [&](std::int64_t step) {
                                  if (Clock::now() - told >= kTellEvery) {
                                    told = Clock::now();
                                    channel.send("s " + std::to_string(step));
                                  }
                                },
                            .on_measurement =
                                [&](const Measurement& m) {
                                  std::ostringstream text;
                                  text << "m " << m.step << ' ' << m.train_loss << ' ' << m.test_accuracy << ' '
                                       << m.seconds;
                                  channel.send(text.str());
                                },
                            .should_stop = [] { return lab::interrupted() != 0; }};
  const Run run = train(sweep.cells[task.cells.front()].plan, task.seed, data, events);
  if (run.complete || run.diverged) {
    store.save(task.key, run);
  }
  channel.send("r " + to_json(run));
}

void add_run(const Task& task, const Run& run, Sweep& sweep) {
  for (const std::size_t cell : task.cells) {
    sweep.cells[cell].runs.push_back(run);
  }
}

void on_message(const std::string& message, const Task& task, std::size_t index, Sweep& sweep, Progress& progress) {
  std::istringstream in(message.substr(2));
  Measurement measurement;
  switch (message[0]) {
    case 's':
      in >> measurement.step;
      progress.step(index, measurement.step);
      return;
    case 'm': {
      std::string loss;  // may be "nan", which a stream does not parse as a number
      std::string accuracy;
      in >> measurement.step >> loss >> accuracy >> measurement.seconds;
      measurement.train_loss = std::stod(loss);
      measurement.test_accuracy = std::stod(accuracy);
      progress.measured(index, measurement);
      return;
    }
    default: {
      const Run run = run_from_json(message.substr(2)).value();
      add_run(task, run, sweep);
      progress.finish(index, run);
    }
  }
}

void sort_by_seed(Sweep& sweep) {
  for (Cell& cell : sweep.cells) {
    std::sort(cell.runs.begin(), cell.runs.end(), [](const Run& a, const Run& b) { return a.seed < b.seed; });
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> varied(const Sweep& sweep, const Plan& plan) {
  std::vector<std::pair<std::string, std::string>> list;
  const auto& o = sweep.options;
  if (o.placements.size() > 1) {
    list.emplace_back("placement", plan.placement.empty() ? "-" : plan.placement);
  }
  if (o.optimizers.size() > 1) {
    list.emplace_back("optimizer", plan.optimizer);
  }
  if (o.activations.size() > 1) {
    list.emplace_back("activation", plan.activation);
  }
  if (o.batch_sizes.size() > 1) {
    list.emplace_back("batch_size", std::to_string(plan.batch_size));
  }
  if (o.lrs.size() > 1 || o.optimizers.size() > 1) {
    list.emplace_back("lr", short_number(plan.lr));
  }
  return list;
}

std::string varied_in_words(const Sweep& sweep, const Plan& plan, const std::string& separator,
                            const std::string& except) {
  std::string text;
  for (const auto& [key, value] : varied(sweep, plan)) {
    if (key == except || (key == "placement" && !has_placements(plan.model))) {
      continue;
    }
    const std::string words = key == "lr"           ? "lr " + value
                              : key == "batch_size" ? "batch " + value
                              : key == "placement"  ? placement_in_words(value)
                                                    : value;
    text += (text.empty() ? "" : separator) + words;
  }
  return text;
}

std::string name_of(const Sweep& sweep, const Plan& plan) {
  const std::string settings = varied_in_words(sweep, plan, " ");
  return plan.model + " " + plan.norm + (settings.empty() ? "" : " " + settings);
}

const std::string& data_of(const Sweep& sweep, const std::string& model) {
  return reads_text(model) ? sweep.text : sweep.data;
}
std::int64_t num_test_labels(const Sweep& sweep, const std::string& model) {
  return reads_text(model) ? sweep.text_labels : sweep.test_images;
}
std::int64_t num_classes_of(const Sweep& sweep, const std::string& model) {
  return reads_text(model) ? sweep.characters : sweep.num_classes;
}

Sweep plan_sweep(const Options& options, const Data& data) {
  Sweep sweep;
  sweep.options = options;
  sweep.data = data.name;
  sweep.train_images = data.images.train.size();
  sweep.test_images = data.images.test.size();
  sweep.num_classes = data.num_classes;
  sweep.image_shape = to_string(data.images.train.image_shape());
  if (data.text) {
    sweep.text = data.text->name;
    sweep.text_labels = data.text->test->size() * kContext;
    sweep.characters = data.text->characters;
  }
  sweep.simd = simd_name(simd_level());
  for (const Plan& plan : make_plans(options, sweep.train_images, data.text ? data.text->train->size() : 0)) {
    Cell cell{.plan = plan};
    try {
      cell.not_applicable = why_not_applicable(plan.model, plan.norm);
    } catch (const ValueError& error) {  // another model can have it, otherwise parse_options() would have thrown
      cell.not_applicable = error.what();
    }
    if (plan.norm == options.norms.front()) {
      make_model({.model = plan.model,
                  .activation = plan.activation,
                  .image_shape = data.images.train.image_shape(),
                  .num_classes = data.num_classes_of(plan.model)});  // throws for images that do not fit
    }
    sweep.cells.push_back(cell);
  }
  const auto applicable = std::count_if(sweep.cells.begin(), sweep.cells.end(),
                                        [](const Cell& cell) { return cell.not_applicable.empty(); });
  const auto runs = static_cast<int>(std::min<std::int64_t>(applicable * options.seeds, 1024));
  const int processors = lab::num_processors();
  sweep.jobs = std::max(1, std::min(options.jobs.value_or(processors), runs));
  sweep.threads = options.threads.value_or(std::max(1, processors / sweep.jobs));
  return sweep;
}

void run_sweep(Sweep& sweep, const Data& data, const RunStore& store, const std::filesystem::path& claims) {
  std::vector<Task> tasks;
  std::vector<ProgressRun> shown;
  std::map<std::string, std::size_t> task_of;  // by key
  std::set<std::string> stored;
  for (std::int64_t k = 0; k < sweep.options.seeds; ++k) {
    const std::uint64_t seed = sweep.options.first_seed + static_cast<std::uint64_t>(k);
    for (std::size_t i = 0; i < sweep.cells.size(); ++i) {
      Cell& cell = sweep.cells[i];
      if (!cell.not_applicable.empty()) {
        continue;
      }
      const std::string key = run_key(cell.plan, seed, data);
      std::optional<Run> run = sweep.options.fresh ? std::nullopt : store.load(key);
      if (run) {
        cell.runs.push_back(*run);
        stored.insert(key);
        continue;
      }
      const auto [same, is_new] = task_of.emplace(key, tasks.size());
      if (!is_new) {
        tasks[same->second].cells.push_back(i);
        continue;
      }
      tasks.push_back({.cells = {i}, .seed = seed, .key = key});
      shown.push_back({.name = name_of(sweep, cell.plan) + " seed " + std::to_string(seed),
                       .steps = cell.plan.steps,
                       .work = static_cast<double>(cell.plan.steps * cell.plan.batch_size) * work_of(cell.plan.model),
                       .model = cell.plan.model});
    }
  }
  if (!stored.empty()) {
    log(LogLevel::info, stored.size(), " of ", stored.size() + tasks.size(),
        " runs were done before and are not repeated (--fresh repeats them)");
  }
  Progress progress(shown);
  std::map<std::size_t, lab::FileClaim> claimed;
  const auto on_turn = [&](std::size_t i) {
    std::optional<lab::FileClaim> claim =
        lab::FileClaim::try_lock(claims / (lab::fingerprint(tasks[i].key) + ".claim"));
    if (!claim) {
      return lab::Turn::elsewhere;
    }
    if (const std::optional<Run> run = store.load(tasks[i].key)) {
      add_run(tasks[i], *run, sweep);
      progress.finish(i, *run);
      return lab::Turn::done;
    }
    claimed.emplace(i, std::move(*claim));
    return lab::Turn::start;
  };
  const lab::PoolEvents events = {
      .on_turn = claims.empty() ? std::function<lab::Turn(std::size_t)>() : on_turn,
      .on_start = [&](std::size_t i) { progress.start(i); },
      .on_message = [&](std::size_t i,
                        const std::string& message) { on_message(message, tasks[i], i, sweep, progress); },
      .on_end = [&](std::size_t i) { claimed.erase(i); },
      .on_tick = [&] { progress.tick(); }};
  const bool all = lab::run_in_processes(
      tasks.size(), sweep.jobs,
      [&](std::size_t i, lab::Channel& channel) { work(tasks[i], sweep, data, store, channel); },
      [&](std::size_t i) { return shown[i].name; }, events);
  progress.clear();
  sort_by_seed(sweep);
  sweep.complete = all;
}

}  // namespace compare_norms
