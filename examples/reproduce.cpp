// reproduce: repeats published experiments on normalization, at a size for two cores. See --help.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <CLI/CLI.hpp>

#include "lab/files.hpp"
#include "lab/interrupt.hpp"
#include "lab/reproduce/report.hpp"
#include "lab/worker_pool.hpp"

namespace reproduce {
namespace {

using namespace normgrad;

struct Arguments {
  std::vector<std::string> names;
  Settings settings;
  std::filesystem::path out = "out/reproduce";
  std::string log_level = "info";
  std::string command;
};

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  std::string list = "Repeats published experiments on normalization and says of each claim whether it held.\n";
  std::vector<std::string> known = {"all"};
  for (const Experiment& experiment : experiments()) {
    list += "\n  " + std::string(experiment.name) + std::string(16 - std::string(experiment.name).size(), ' ') +
            experiment.summary;
    known.emplace_back(experiment.name);
  }
  CLI::App app(list, "reproduce");
  app.footer("Exit code: 0 done, whether or not the claims held; 2 wrong input, 130 interrupted, 1 any other error.");
  arguments.settings.jobs = lab::num_processors();
  app.add_option("names", arguments.names, "Experiments to run; all runs every one")
      ->required()
      ->check(CLI::IsMember(known));
  app.add_flag("--quick", arguments.settings.quick,
               "Fewer seeds and steps: all within 12 minutes on two idle cores instead of about 60");
  app.add_flag("--tiny", arguments.settings.tiny, "A few steps each, to try the program: no claim is judged");
  app.add_option("--data", arguments.settings.data, "As of compare_norms. Default: fashion-mnist, else digits");
  app.add_option("--jobs", arguments.settings.jobs,
                 "Runs at once; results do not depend on it. Default: all processors")
      ->check(CLI::Range(1, 1024));
  app.add_option("--seed", arguments.settings.first_seed, "Seed of the first run. Default: 1");
  app.add_option("--out", arguments.out, "Folder of the results. Default: out/reproduce");
  app.add_option("--log-level", arguments.log_level, "trace, debug, info (default), warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw ValueError(std::string(error.what()) + " (see --help)");
  }
  for (int i = 0; i < argc; ++i) {
    arguments.command += (i == 0 ? "" : " ") + std::string(argv[i]);
  }
  return arguments;
}

bool is_wanted(const Arguments& arguments, const std::string& name) {
  const auto has = [&](const std::string& wanted) {
    return std::find(arguments.names.begin(), arguments.names.end(), wanted) != arguments.names.end();
  };
  return has("all") || has(name);
}

int run(Arguments arguments) {
  lab::catch_interrupts();
  set_num_threads(1);  // runs are forked from a process without other threads
  arguments.settings.quick = arguments.settings.quick || arguments.settings.tiny;
  if (arguments.settings.data.empty()) {
    arguments.settings.data = default_dataset();
  }
  lab::make_folder("--out", arguments.out);
  std::vector<Outcome> outcomes;
  try {
    for (const Experiment& experiment : experiments()) {
      if (is_wanted(arguments, experiment.name)) {
        log(LogLevel::info, experiment.name, ": ", experiment.summary);
        const auto start = std::chrono::steady_clock::now();
        outcomes.push_back(experiment.run(arguments.settings));
        for (Finding& finding : outcomes.back().findings) {
          finding.judged = finding.judged && !arguments.settings.tiny;
        }
        outcomes.back().seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        print(outcomes.back(), std::cout);
        write_outcome(outcomes.back(), arguments.out);
        write_report(outcomes, arguments.command, arguments.out);
      }
    }
  } catch (const Interrupted&) {
    std::cout << "INTERRUPTED: what was finished before is in " << arguments.out.string() << std::endl;
    return 128 + lab::interrupted();
  }
  std::cout << "\nwrote a report, figures, Markdown and JSON to " << arguments.out.string() << std::endl;
  return 0;
}

}  // namespace
}  // namespace reproduce

int main(int argc, char** argv) {
  return lab::run_program("reproduce", [&] {
    const std::optional<reproduce::Arguments> arguments = reproduce::parse(argc, argv);
    if (!arguments) {
      return 0;
    }
    normgrad::set_log_level(arguments->log_level);
    return reproduce::run(*arguments);
  });
}
