#include "examples/train_mnist/options.hpp"

#include <iostream>
#include <CLI/CLI.hpp>

#include "normgrad/core/base/error.hpp"

namespace train_mnist {

namespace {

constexpr const char* kDescription =
    "Trains a small convolutional network with batch normalization on images in MNIST's format. Can be stopped at any\n"
    "moment, by Ctrl-C or a power cut, and goes on with --resume as if it had not been.";
constexpr const char* kFooter =
    "Writes into the folder of --out: checkpoint.safetensors (what --resume needs), model.safetensors (the weights, "
    "for "
    "this library and PyTorch), metrics.csv, metrics.jsonl and train.log.\n"
    "Exit code: 0 done, 2 wrong input or a file that cannot be read or written, 1 any other error.";

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app(kDescription, "train_mnist");
  app.footer(kFooter);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--data", options.data,
                 "fashion-mnist (Debian's package dataset-fashion-mnist), digits (drawn by the program) or a folder "
                 "with MNIST-style IDX files. Default: fashion-mnist where it is installed, else digits");
  app.add_option("--out", options.out, "Folder of the results")->capture_default_str();
  CLI::Option* resume = app.add_flag("--resume", options.resume, "Go on with the run in the folder of --out");
  CLI::Option* anyway = app.add_flag("--resume-anyway", options.resume_anyway,
                                     "--resume, also on another instruction set, with another version of the library "
                                     "or with other data: not with the same bits then");
  app.add_flag("--overwrite", options.overwrite, "Begin anew although the folder of --out holds a run")
      ->excludes(resume)
      ->excludes(anyway);
  app.add_option("--epochs", options.epochs, "Passes through the training images")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--batch-size", options.batch_size, "Images per step")
      ->capture_default_str()
      ->check(CLI::Range(2, 1 << 20));
  app.add_option("--lr", options.lr, "Highest learning rate: after the warm-up, from where it falls along a cosine")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--momentum", options.momentum, "Momentum of SGD")->capture_default_str()->check(CLI::Range(0.0, 1.0));
  app.add_option("--weight-decay", options.weight_decay, "Of weights; biases and the parameters of norms have none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--warmup", options.warmup, "Steps in which the learning rate rises")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", options.seed, "Initialization and order of the images")->capture_default_str();
  app.add_option("--train-limit", options.train_limit, "Train on the first N images only; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--checkpoint-every", options.checkpoint_every, "Steps from checkpoint to checkpoint")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads, "Threads; results do not depend on it. Default: all processors")
      ->check(CLI::Range(1, 1024));
  app.add_flag(
      "--distributed", options.distributed,
      "One of several processes: mpirun -n 2 train_mnist --distributed. Together they do the same steps as one "
      "process; --batch-size counts the images of all");
  app.add_option("--log-level", options.log_level, "trace, debug, info, warn, error or off")
      ->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw normgrad::ValueError(std::string(error.what()) + " (see --help)");
  }
  options.resume = options.resume || options.resume_anyway;
  return options;
}

}  // namespace train_mnist
