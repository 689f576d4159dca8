#include "lab/command_line.hpp"

#include <charconv>
#include <iostream>
#include <CLI/CLI.hpp>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/base/parallel.hpp"

namespace lab {

struct CommandLine::Parser {
  CLI::App app;
  RunOptions* run = nullptr;
};

namespace {

std::string limits_of(Range range) {
  if (range.from == kAboveZero.from) {
    return "a number above 0";
  }
  const bool ends = range.to < std::numeric_limits<double>::infinity();
  return ends ? normgrad::detail::concat("a number from ", range.from, " to ", range.to)
              : normgrad::detail::concat("a number of at least ", range.from);
}

CLI::Validator within(Range range) {
  return CLI::Validator(
      [range](std::string& text) {
        double value = 0.0;
        const bool is_number = CLI::detail::lexical_cast(text, value);
        return is_number && value >= range.from && value <= range.to
                   ? std::string()
                   : "expected " + limits_of(range) + " but got '" + text + "'";
      },
      "");
}

/// The conversion to a whole number takes 1e20 for the largest one that there is, and 010 for 8.
CLI::Validator whole() {
  return CLI::Validator(
      [](std::string& text) {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool fits = error == std::errc() && end == text.data() + text.size();
        return fits && std::to_string(value) == text ? std::string() : "expected a whole number but got '" + text + "'";
      },
      "");
}

template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& flag, T& value, const std::string& help, Range range) {
  return app.add_option(flag, value, help)->capture_default_str()->check(within(range));
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
  add_number(parser_->app, flag, value, help, range)->check(whole());
}

void CommandLine::add(const std::string& flag, double& value, const std::string& help, Range range) {
  add_number(parser_->app, flag, value, help, range);
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
  add_number(app, "--checkpoint-every", options.checkpoint_every, "Steps from checkpoint to checkpoint", kAtLeastOne)
      ->check(whole());
  app.add_option("--threads", options.threads, "Threads; results do not depend on it. Default: all processors")
      ->check(within({1.0, 1024.0}));
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
