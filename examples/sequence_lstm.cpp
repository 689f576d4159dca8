// sequence_lstm: trains an LSTM to classify images that it reads row by row, as a sequence. See docs/cookbook.md.
#include <iostream>

#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;

struct Options : lab::RunOptions {
  std::string data;  // empty: the installed dataset
  std::int64_t epochs = 3;
  std::int64_t batch_size = 64;
  std::int64_t hidden = 96;
  std::int64_t layers = 1;
  double lr = 3e-3;
  std::int64_t train_limit = 0;  // 0: all
};

struct Net : Module {
  Net(std::int64_t features, std::int64_t classes, const Options& o)
      : lstm(features, o.hidden, {.num_layers = o.layers, .batch_first = true}),
        norm(o.hidden),
        fc(o.hidden, classes) {}

  LSTM lstm;
  LayerNorm norm;
  Linear fc;
  NORMGRAD_MEMBERS(Net, lstm, norm, fc)

  /// images [N, C, H, W]: a sequence of H rows with C W features each. The last state of the last layer decides.
  Tensor forward(const Tensor& images) override {
    const Tensor rows = images.permute({0, 2, 1, 3}).flatten(2);
    return fc(norm(lstm(rows).h_n.select(0, -1)));
  }
};

void train(const Options& options) {
  lab::TrainingRun run(options);
  const std::string source = options.data.empty() ? default_dataset() : options.data;
  const auto [train_set, test_set] = open_dataset(source, {.train_limit = options.train_limit});
  const Shape image = train_set.image_shape();

  manual_seed(options.seed);
  Net net(image[0] * image[2], train_set.num_classes(), options);
  DataLoader batches(train_set,
                     {.batch_size = options.batch_size, .shuffle = true, .drop_last = true, .seed = options.seed});
  Adam optimizer(net.parameters(), {.lr = options.lr});
  CosineAnnealingLR schedule(optimizer, options.epochs * batches.num_batches());
  double loss_sum = 0.0;
  double accuracy = 0.0;
  run.begin({lab::options_part({{"epochs", static_cast<double>(options.epochs)}, {"lr", options.lr}}),
             {"data", RunProperty{data_fingerprint(train_set)}},
             {"model", net},
             {"optimizer", optimizer},
             {"schedule", schedule},
             {"loader", batches},
             {"loss_sum", loss_sum},
             {"accuracy", accuracy}});
  log(LogLevel::info, source, ": sequences of ", image[1], " steps with ", image[0] * image[2], " features");

  while (batches.epoch() < options.epochs) {
    const std::int64_t epoch = batches.epoch() + 1;
    Progress bar("epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs), batches.num_batches(),
                 {.done = run.steps() - (epoch - 1) * batches.num_batches()});
    for (const auto& [images, labels] : batches) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(images), labels);
      loss.backward();
      clip_grad_norm_(net.parameters(), 1.0);  // the gradient through many steps may be large
      optimizer.step();
      schedule.step();
      loss_sum += loss.item();
      bar.advance({{"loss", loss.item()}});
      run.end_step();
    }
    bar.finish();
    {
      const NoGradGuard no_grad;
      std::int64_t correct = 0;
      DataLoader test_batches(test_set, {.batch_size = 500});
      for (const auto& [images, labels] : test_batches) {
        correct += count_correct(net(images), labels);
      }
      accuracy = static_cast<double>(correct) / static_cast<double>(test_set.size());
    }
    const double mean_loss = loss_sum / static_cast<double>(batches.num_batches());
    run.write({{"epoch", static_cast<double>(epoch)}, {"train_loss", mean_loss}, {"test_accuracy", accuracy}});
    log(LogLevel::info, "epoch ", epoch, ": training loss ", mean_loss, ", test accuracy ", accuracy);
    loss_sum = 0.0;
    run.save();
  }
  save_safetensors(run.path("model.safetensors"), net, {{"format", "pt"}});
  std::cout << "test accuracy: " << accuracy << "\nwrote " << run.path("model.safetensors").string() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("sequence_lstm", [&] {
    Options options;
    options.out = "out/sequence_lstm";
    lab::CommandLine line("sequence_lstm",
                          "Trains an LSTM to classify images that it reads row by row.\nCan be stopped at any "
                          "moment; --resume continues.");
    line.add("--data", options.data, "As for train_mnist. Default: fashion-mnist where it is installed, else digits");
    line.add("--epochs", options.epochs, "Passes through the training images", lab::kAtLeastOne);
    line.add("--batch-size", options.batch_size, "Images per step", lab::kAtLeastOne);
    line.add("--hidden", options.hidden, "Features of the state", lab::kAtLeastOne);
    line.add("--layers", options.layers, "Layers of the LSTM", lab::kAtLeastOne);
    line.add("--lr", options.lr, "Highest learning rate", lab::kAboveZero);
    line.add("--train-limit", options.train_limit, "Train on the first N images only; 0: all");
    line.add_run_options(options);
    if (line.parse(argc, argv)) {
      train(options);
    }
    return 0;
  });
}
