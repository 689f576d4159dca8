#include "lab/command_line.hpp"

#include <iostream>
#include <CLI/CLI.hpp>

#include "lab/number_checks.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace lab {

struct CommandLine::Parser {
  CLI::App app;
  RunOptions* run = nullptr;
};

namespace {

CLI::Option* add_whole_number(CLI::App& app, const std::string& flag, std::int64_t& value, const std::string& help,
                              Range range) {
  return app.add_option(flag, value, help)->capture_default_str()->check(whole_number_in(range));
}

}  // namespace

CommandLine::CommandLine(const std::string& program, const std::string& description, const std::string& footer)
    : parser_(std::make_unique<Parser>()) {
  parser_->app.name(program);
  parser_->app.description(description);
  parser_->app.footer(footer);
  parser_->app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CommandLine::~CommandLine() = default;

void CommandLine::add(const std::string& flag, std::string& value, const std::string& help,
                      const std::vector<std::string>& choices) {
  CLI::Option* option = parser_->app.add_option(flag, value, help);
  if (!value.empty()) {
    option->capture_default_str();
  }
  if (!choices.empty()) {
    option->check(CLI::IsMember(choices));
  }
}

void CommandLine::add(const std::string& flag, std::int64_t& value, const std::string& help, Range range) {
  add_whole_number(parser_->app, flag, value, help, range);
}

void CommandLine::add(const std::string& flag, double& value, const std::string& help, Range range) {
  parser_->app.add_option(flag, value, help)->capture_default_str()->check(number_in(range));
}

void CommandLine::add(const std::string& flag, bool& value, const std::string& help) {
  parser_->app.add_flag(flag, value, help);
}

void CommandLine::add_run_options(RunOptions& options) {
  CLI::App& app = parser_->app;
  parser_->run = &options;
  app.add_option("--out", options.out, "Folder of the results")->capture_default_str();
  CLI::Option* resume = app.add_flag("--resume", options.resume, "Continue the run in the folder of --out");
  CLI::Option* anyway = app.add_flag("--resume-anyway", options.resume_anyway,
                                     "--resume, also on another instruction set, with another version of the library "
                                     "or with other data: not with the same bits then");
  app.add_flag("--overwrite", options.overwrite, "Start over although the folder of --out holds a run")
      ->excludes(resume)
      ->excludes(anyway);
  app.add_option("--seed", options.seed, "Initialization and order of the data")->capture_default_str();
  add_whole_number(app, "--checkpoint-every", options.checkpoint_every, "Steps from checkpoint to checkpoint",
                   kAtLeastOne);
  app.add_option("--threads", options.threads, "Threads; results do not depend on it. Default: all processors")
      ->check(whole_number_in({1.0, 1024.0}));
  add("--log-level", options.log_level, "trace, debug, info, warn, error or off",
      {"trace", "debug", "info", "warn", "error", "off"});
}

bool CommandLine::parse(int argc, const char* const* argv) {
  try {
    parser_->app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << parser_->app.help();
    return false;
  } catch (const CLI::ParseError& error) {
    throw normgrad::ValueError(std::string(error.what()) + " (see --help)");
  }
  if (RunOptions* run = parser_->run; run != nullptr) {
    run->resume = run->resume || run->resume_anyway;
    normgrad::set_log_level(run->log_level);
    if (run->threads) {
      normgrad::set_num_threads(*run->threads);
    }
  }
  return true;
}

}  // namespace lab
