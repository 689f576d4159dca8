// compare_norms: the same training with and without each normalization layer. See --help.
#include <algorithm>
#include <exception>
#include <iostream>

#include "examples/compare_norms/figure.hpp"
#include "examples/compare_norms/interrupt.hpp"
#include "examples/compare_norms/models.hpp"
#include "examples/compare_norms/options.hpp"
#include "examples/compare_norms/progress.hpp"
#include "examples/compare_norms/results.hpp"
#include "examples/compare_norms/training.hpp"

namespace compare_norms {
namespace {

using namespace normgrad;
namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  require<IoError>(!error, "--out: the folder '", folder.string(), "' cannot be made: ", error.message());
}

Report plan_report(const Options& options, const ImageSplits& data) {
  Report report;
  report.options = options;
  report.data = options.data;
  report.train_images = data.train.size();
  report.test_images = data.test.size();
  report.threads = get_num_threads();
  for (const std::string& model : options.models) {
    report.plans.push_back(make_plan(options, model, data.train.size()));
    for (const std::string& norm : options.norms) {
      report.comparisons.push_back({model, norm, why_not_applicable(model, norm), {}});
    }
    make_model(model, "none", data.train.image_shape(), data.train.num_classes());  // refuses images that do not fit
  }
  return report;
}

const Plan& plan_of(const Report& report, const std::string& model) {
  return *std::find_if(report.plans.begin(), report.plans.end(), [&](const Plan& plan) { return plan.model == model; });
}

/// All runs, seed by seed, so that an interruption leaves norms that can still be compared.
void run_all(Report& report, const ImageSplits& data, ResultsCsv& csv) {
  std::int64_t applicable = 0;
  for (const Comparison& comparison : report.comparisons) {
    applicable += comparison.not_applicable.empty() ? 1 : 0;
  }
  Progress progress(applicable * report.options.seeds);
  const RunEvents events = {.on_step = [&](std::int64_t step) { progress.step(step); },
                            .on_measurement =
                                [&](const Run& run, const Measurement& measurement) {
                                  csv.add(run, measurement);
                                  progress.measured(measurement);
                                },
                            .should_stop = [] { return interrupted() != 0; }};
  for (std::int64_t k = 0; k < report.options.seeds; ++k) {
    const std::uint64_t seed = report.options.first_seed + static_cast<std::uint64_t>(k);
    for (Comparison& comparison : report.comparisons) {
      if (!comparison.not_applicable.empty()) {
        continue;
      }
      if (interrupted() != 0) {
        return;
      }
      const Plan& plan = plan_of(report, comparison.model);
      progress.start(comparison.model, comparison.norm, seed, plan.steps);
      comparison.runs.push_back(train(plan, comparison.norm, seed, data, events));
      progress.finish(comparison.runs.back());
    }
  }
  report.complete = interrupted() == 0;
}

int compare(Options options) {
  catch_interrupts();
  if (options.threads) {
    set_num_threads(*options.threads);
  }
  if (options.data.empty()) {
    options.data = default_dataset();
    if (options.data == "digits") {
      log(LogLevel::warn,
          "Fashion-MNIST is not installed (Debian's package dataset-fashion-mnist); using drawn digits");
    }
  }
  make_folder(options.out);
  ResultsCsv csv(options.out);
  const ImageSplits data = open_dataset(options.data, {.train_limit = options.train_limit});
  Report report = plan_report(options, data);
  log(LogLevel::info, report.data, ": ", report.train_images, " training and ", report.test_images, " test images of ",
      data.train.image_shape(), "; ", report.threads, " thread(s), ", simd_name(simd_level()));
  for (const Plan& plan : report.plans) {
    log(LogLevel::info, plan.model, ": ", to_string(plan), "; ", options.seeds, " seed(s)");
  }
  run_all(report, data, csv);
  if (csv.rows() == 0) {
    log(LogLevel::warn, "interrupted before anything was measured; '", options.out.string(), "' is left as it was");
    return 128 + interrupted();
  }
  csv.commit();
  write_summary(report, options.out);
  const bool drawn = draw_figure(report, options.out);
  print_table(report, std::cout);
  std::cout << "\nwrote results.csv, summary.json" << (drawn ? ", curves.png and curves.svg" : "") << " in "
            << options.out.string() << std::endl;
  if (!report.complete) {
    std::cout << "INTERRUPTED: these are the results up to then; summary.json says \"complete\": false" << std::endl;
    return 128 + interrupted();
  }
  return 0;
}

}  // namespace
}  // namespace compare_norms

int main(int argc, char** argv) {
  try {
    const std::optional<compare_norms::Options> options = compare_norms::parse_options(argc, argv);
    if (!options) {
      return 0;
    }
    normgrad::set_log_level(options->log_level);
    return compare_norms::compare(*options);
  } catch (const normgrad::Error& error) {
    std::cerr << "compare_norms: " << error.what() << std::endl;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "compare_norms: " << error.what() << std::endl;
    return 1;
  }
}
