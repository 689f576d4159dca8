// images: trains a ResNet on CIFAR, on a folder of image files, or on generated digits, with the usual tricks:
// augmentation, one cycle of the learning rate, label smoothing, and an average of the weights. See docs/cookbook.md.
#include <filesystem>
#include <iostream>

#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;
namespace fs = std::filesystem;

struct Options : lab::RunOptions {
  std::string data = "digits";
  std::int64_t epochs = 10;
  std::int64_t batch_size = 128;
  std::int64_t width = 16;  // channels of the first stage
  std::int64_t depth = 20;  // layers with weights: 6 n + 2
  std::int64_t size = 32;   // of the images of a folder
  double lr = 0.2;
  double weight_decay = 5e-4;
  double label_smoothing = 0.1;
  double ema = 0.99;  // weight of the old average
  bool no_flip = false;
  std::int64_t train_limit = 0;  // 0: all
  std::int64_t workers = 1;
};

// He et al., "Deep residual learning for image recognition", 2016, section 4.2.
struct Block : Module {
  Block(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(in, out, 3, {.stride = stride, .padding = 1, .bias = false}),
        norm1(out),
        conv2(out, out, 3, {.padding = 1, .bias = false}),
        norm2(out) {
    if (stride != 1 || in != out) {
      shortcut.emplace(in, out, 1, ConvLayerOptions{.stride = stride, .bias = false});
    }
  }

  Conv2d conv1;
  BatchNorm2d norm1;
  Conv2d conv2;
  BatchNorm2d norm2;
  std::optional<Conv2d> shortcut;
  NORMGRAD_MEMBERS(Block, conv1, norm1, conv2, norm2, shortcut)

  Tensor forward(const Tensor& x) override {
    const Tensor h = norm2(conv2(relu(norm1(conv1(x)))));
    return relu(h + (shortcut ? (*shortcut)(x) : x));
  }
};

struct ResNet : Module {
  ResNet(std::int64_t channels, std::int64_t classes, const Options& o)
      : conv(channels, o.width, 3, {.padding = 1, .bias = false}), norm(o.width), fc(4 * o.width, classes) {
    std::int64_t in = o.width;
    for (const std::int64_t stage : {1, 2, 4}) {
      for (std::int64_t i = 0; i < (o.depth - 2) / 6; ++i) {
        blocks.emplace_back(in, stage * o.width, i == 0 && stage > 1 ? 2 : 1);
        in = stage * o.width;
      }
    }
  }

  Conv2d conv;
  BatchNorm2d norm;
  std::vector<Block> blocks;
  Linear fc;
  NORMGRAD_MEMBERS(ResNet, conv, norm, blocks, fc)

  Tensor forward(const Tensor& x) override {
    Tensor h = relu(norm(conv(x)));
    for (Block& block : blocks) {
      h = block(h);
    }
    return fc(h.mean({2, 3}));
  }
};

struct Data {
  DatasetPtr train;
  DatasetPtr test;
  Shape image;
  std::int64_t classes = 0;
};

/// A folder with train/<class>/*.png and test/<class>/*.png (or .jpg), or what open_dataset() opens.
Data open_data(const Options& options) {
  if (fs::is_directory(fs::path(options.data) / "train")) {
    const ImageFolderOptions size = {.height = options.size, .width = options.size};
    const ImageFolder train(fs::path(options.data) / "train", size);
    const ImageFolder test(fs::path(options.data) / "test", size);
    require<ValueError>(train.classes() == test.classes(), "--data: '", options.data,
                        "': expected the same classes in train and test");
    const auto centered = [](Batch batch) {
      return Batch{.inputs = (batch.inputs - 0.5) * 4.0, .labels = batch.labels};
    };
    return {share_dataset(map_dataset(train, centered)), share_dataset(map_dataset(test, centered)),
            train.image_shape(), train.num_classes()};
  }
  const auto [train, test] = open_dataset(options.data, {.train_limit = options.train_limit});
  return {share_dataset(train), share_dataset(test), train.image_shape(), train.num_classes()};
}

template <class Model>
double test_accuracy(Model&& model, const Data& data) {
  const NoGradGuard no_grad;
  DataLoader batches(data.test, {.batch_size = 250});
  std::int64_t correct = 0;
  for (const auto& [images, labels] : batches) {
    correct += count_correct(model(images), labels);
  }
  return static_cast<double>(correct) / static_cast<double>(data.test->size());
}

void train(const Options& options) {
  require<ValueError>(options.depth % 6 == 2, "--depth: expected 6 n + 2 layers, such as 20, but got ", options.depth);
  lab::TrainingRun run(options);
  const Data data = open_data(options);

  manual_seed(options.seed);
  std::vector<ImageTransform> transforms = {RandomCrop{data.image[1], data.image[2], 4}};
  if (!options.no_flip) {
    transforms.emplace_back(RandomHorizontalFlip{});
  }
  DataLoader batches(data.train, {.batch_size = options.batch_size,
                                  .shuffle = true,
                                  .drop_last = true,
                                  .seed = options.seed,
                                  .num_workers = static_cast<int>(options.workers),
                                  .transform = compose(transforms)});
  ResNet net(data.image[0], data.classes, options);
  SGD optimizer(norm_aware_groups(
      net, SGDOptions{.lr = options.lr, .momentum = 0.9, .weight_decay = options.weight_decay, .nesterov = true}));
  OneCycleLR schedule(optimizer, options.lr, {.total_steps = options.epochs * batches.num_batches()});
  AveragedModel ema(net, {.decay = options.ema});
  double loss_sum = 0.0;  // of the epoch
  double accuracy = 0.0;
  run.begin({lab::options_part({{"epochs", static_cast<double>(options.epochs)},
                                {"lr", options.lr},
                                {"weight-decay", options.weight_decay},
                                {"label-smoothing", options.label_smoothing},
                                {"ema", options.ema},
                                {"no-flip", options.no_flip ? 1.0 : 0.0}}),
             {"data", RunProperty{data_fingerprint(*data.train) + "; " + data_fingerprint(*data.test)}},
             {"model", net},
             {"average", ema},
             {"optimizer", optimizer},
             {"schedule", schedule},
             {"loader", batches},
             {"loss_sum", loss_sum},
             {"accuracy", accuracy}});
  log(LogLevel::info, options.data, ": ", data.train->size(), " training and ", data.test->size(), " test images of ",
      data.image, " in ", data.classes, " classes; ", net.num_parameters(), " parameters");

  while (batches.epoch() < options.epochs) {
    const std::int64_t epoch = batches.epoch() + 1;
    Progress bar("epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs), batches.num_batches(),
                 {.done = run.steps() - (epoch - 1) * batches.num_batches()});
    for (const auto& [images, labels] : batches) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(images), labels, {.label_smoothing = options.label_smoothing});
      loss.backward();
      optimizer.step();
      schedule.step();
      ema.update(net);
      loss_sum += loss.item();
      bar.advance({{"loss", loss.item()}, {"lr", optimizer.lr()}});
      run.end_step();
    }
    bar.finish();
    net.eval();
    accuracy = test_accuracy(ema, data);
    const Metrics row = {{"epoch", static_cast<double>(epoch)},
                         {"train_loss", loss_sum / static_cast<double>(batches.num_batches())},
                         {"test_accuracy", test_accuracy(net, data)},
                         {"test_accuracy_of_average", accuracy}};
    net.train();
    run.write(row);
    log(LogLevel::info, "epoch ", epoch, ": training loss ", row[1].second, ", test accuracy ", row[2].second,
        ", of the averaged weights ", accuracy);
    loss_sum = 0.0;
    run.save();
  }
  save_safetensors(run.path("model.safetensors"), ema.module(), {{"format", "pt"}});
  std::cout << "test accuracy: " << accuracy << "\nwrote " << run.path("model.safetensors").string() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("images", [&] {
    Options options;
    options.out = "out/images";
    lab::CommandLine line("images",
                          "Trains a ResNet on images, with augmentation, one cycle of the learning rate, label "
                          "smoothing and averaged weights.\nCan be stopped at any moment; --resume continues.");
    line.add("--data", options.data,
             "digits, fashion-mnist, a folder with CIFAR-10 or CIFAR-100 in binary form or with IDX files, or a folder "
             "with train/<class>/*.png and test/<class>/*.png (or .jpg)");
    line.add("--epochs", options.epochs, "Passes through the training images", lab::kAtLeastOne);
    line.add("--batch-size", options.batch_size, "Images per step", {2, 1 << 20});
    line.add("--width", options.width, "Channels of the first stage", lab::kAtLeastOne);
    line.add("--depth", options.depth, "Layers: 8, 14, 20, ...", {8, 10000});
    line.add("--size", options.size, "Height and width to which image files are scaled", {4, 4096});
    line.add("--lr", options.lr, "Highest learning rate", lab::kAboveZero);
    line.add("--weight-decay", options.weight_decay, "Of weights; the parameters of norms have none");
    line.add("--label-smoothing", options.label_smoothing, "Share of the target spread over all classes", {0.0, 1.0});
    line.add("--ema", options.ema, "Weight of the old average of the weights", {0.0, 0.999999});
    line.add("--no-flip", options.no_flip, "No random flips, for digits and letters");
    line.add("--train-limit", options.train_limit, "Train on the first N images only; 0: all");
    line.add("--workers", options.workers, "Threads that prepare batches", {0.0, 256.0});
    line.add_run_options(options);
    if (line.parse(argc, argv)) {
      train(options);
    }
    return 0;
  });
}
