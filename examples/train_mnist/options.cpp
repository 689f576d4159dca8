#include "examples/train_mnist/options.hpp"

namespace train_mnist {

namespace {

constexpr const char* kDescription =
    "Trains a small convolutional network with batch normalization on images in MNIST's format. Can be stopped at any\n"
    "moment, by Ctrl-C or a power cut; --resume continues as if it had not been.";
constexpr const char* kFooter =
    "Writes into the folder of --out: checkpoint.safetensors (what --resume needs), model.safetensors (the weights, "
    "for "
    "this library and PyTorch), metrics.csv, metrics.jsonl and train.log.\n"
    "Exit code: 0 done, 2 wrong input or a file that cannot be read or written, 1 any other error.";

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  options.out = "out/train_mnist";
  lab::CommandLine line("train_mnist", kDescription, kFooter);
  line.add("--data", options.data,
           "fashion-mnist (Debian's package dataset-fashion-mnist), digits (drawn by the program) or a folder with "
           "MNIST-style IDX files. Default: fashion-mnist where it is installed, else digits");
  line.add("--epochs", options.epochs, "Passes through the training images", lab::kAtLeastOne);
  line.add("--batch-size", options.batch_size, "Images per step", {2, 1 << 20});
  line.add("--lr", options.lr, "Highest learning rate: after the warm-up, from where it falls along a cosine",
           lab::kAboveZero);
  line.add("--momentum", options.momentum, "Momentum of SGD", {0.0, 1.0});
  line.add("--weight-decay", options.weight_decay, "Of weights; biases and the parameters of norms have none");
  line.add("--warmup", options.warmup, "Steps in which the learning rate rises");
  line.add("--train-limit", options.train_limit, "Train on the first N images only; 0: all");
  line.add("--dtype", options.dtype, "Of images and weights", {"float32", "float64"});
  line.add("--distributed", options.distributed,
           "One of several processes: mpirun -n 2 train_mnist --distributed. Together they do the same steps as one "
           "process; --batch-size counts the images of all");
  line.add("--rank-logs", options.rank_logs,
           "With --distributed, the other ranks write logs, too: train.rank1.log and so on in the folder of --out");
  line.add_run_options(options);
  return line.parse(argc, argv) ? std::optional(options) : std::nullopt;
}

}  // namespace train_mnist
