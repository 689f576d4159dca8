// compare_norms: trains the same models with and without each normalization layer. See --help.
#include <filesystem>
#include <iostream>

#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/options.hpp"
#include "lab/compare_norms/ranks.hpp"
#include "lab/compare_norms/results.hpp"
#include "lab/compare_norms/sweep.hpp"
#include "lab/figure.hpp"
#include "lab/files.hpp"
#include "lab/interrupt.hpp"
#include "lab/launch.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {
namespace {

using namespace normgrad;

void say_what_will_be_done(const Sweep& sweep, const Data& data, const lab::Launch& launch) {
  log(LogLevel::info, sweep.data, ": ", sweep.train_images, " training and ", sweep.test_images, " test images of ",
      data.images.train.image_shape(), "; ", sweep.jobs, " run(s) at once, ", sweep.threads, " thread(s) each, ",
      sweep.simd, launch.size > 1 ? "; " + std::to_string(launch.size) + " ranks" : std::string());
  if (!launch.recovers) {
    log(LogLevel::info, "if a rank is killed, mpirun ends the others; ",
        launch.recovery.empty() ? "the same command then continues"
                                : "with " + launch.recovery + " they make its runs");
  }
  std::string last;
  for (const Cell& cell : sweep.cells) {
    const std::string text = cell.plan.model + ": " + to_string(cell.plan);
    if (text != last && sweep.cells.size() <= 48) {
      log(LogLevel::info, text, "; ", sweep.options.seeds, " seed(s)");
    }
    last = text;
  }
}

/// Draws the curves of every setting; for a sweep, first the accuracy against the varied settings.
bool draw_curves(const Sweep& sweep) {
  std::vector<lab::Chart> charts = axis_charts(sweep);
  for (lab::Chart& chart : curve_charts(sweep)) {
    charts.push_back(std::move(chart));
  }
  return lab::draw_figure(charts, sweep.options.out, "curves", {.names = sweep.options.norms});
}

void write_all(const Sweep& sweep) {
  const std::filesystem::path& out = sweep.options.out;
  write_summary_json(sweep, out);
  const lab::Table table = summary_table(sweep);
  lab::write_whole(out / "summary.csv", to_csv(table));
  lab::write_whole(out / "summary.md", to_markdown(table));
  const bool drawn = draw_curves(sweep);
  const std::string picture = drawn ? lab::read_whole(out / "curves.svg").value_or("") : "";
  lab::write_page(report_page(sweep), out / "report.html", picture);
  print_tables(sweep, std::cout);
  std::cout << "\nwrote results.csv, summary.json, summary.csv, summary.md, report.html"
            << (sweep.options.probes ? ", probes.csv" : "") << (drawn ? ", curves.png and curves.svg" : "") << " in "
            << out.string() << std::endl;
}

int write_what_there_is(const Sweep& sweep) {
  if (write_results(sweep, sweep.options.out) == 0) {
    log(LogLevel::warn, "interrupted before anything was measured; '", sweep.options.out.string(), "' is unchanged");
    return 128 + lab::interrupted();
  }
  write_all(sweep);
  if (!sweep.complete) {
    std::cout << "INTERRUPTED: these are the results so far; the same command continues from here" << std::endl;
    return 128 + lab::interrupted();
  }
  return 0;
}

int compare(Options options, const lab::Launch& launch) {
  lab::catch_interrupts();
  set_num_threads(1);  // runs are forked from a process without other threads
  if (options.data.empty()) {
    options.data = default_dataset();
    if (options.data == "digits") {
      log(LogLevel::warn,
          "Fashion-MNIST is not installed (Debian's package dataset-fashion-mnist); using drawn digits");
    }
  }
  SweepRanks ranks(launch, options);
  std::optional<Data> data;
  std::optional<Sweep> sweep;
  ranks.prepare([&] {
    data = open_data(options.data, options.train_limit, options.test_limit);
    if (std::any_of(options.models.begin(), options.models.end(), reads_text)) {
      data->text = open_text(options.text);
    }
    sweep = plan_sweep(options, *data);
    return data->fingerprint + (data->text ? data->text->fingerprint : "");
  });
  sweep->options.fresh = options.fresh;
  const RunStore store(options.out / "runs");
  if (ranks.is_first()) {
    say_what_will_be_done(*sweep, *data, launch);
  }
  run_sweep(*sweep, *data, store, ranks.claims());
  int code = sweep->complete || ranks.is_first() ? 0 : 128 + lab::interrupted();
  if (code == 0) {
    ranks.once(sweep->complete, [&] { code = write_what_there_is(*sweep); });
  }
  return code;
}

}  // namespace
}  // namespace compare_norms

int main(int argc, char** argv) {
  const lab::Launch launch = lab::launch();
  return lab::run_program("compare_norms", [&] {
    std::optional<compare_norms::Options> options;
    try {
      options = compare_norms::parse_options(argc, argv);
    } catch (const normgrad::Error&) {
      compare_norms::leave_to_first(launch);  // an error of all ranks
      throw;
    }
    if (!options) {
      return 0;
    }
    normgrad::set_log_level(launch.rank == 0 ? options->log_level : "error");
    return compare_norms::compare(*options, launch);
  });
}
