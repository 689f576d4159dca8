// unet: trains a U-Net to find and recognize digits, pixel by pixel, in noisy images. See docs/cookbook.md.
#include <iostream>

#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;

struct Options : lab::RunOptions {
  std::string data = "digits";
  std::int64_t epochs = 5;
  std::int64_t batch_size = 32;
  std::int64_t width = 16;
  double noise = 0.3;
  double lr = 3e-3;
  std::int64_t train_limit = 0;  // 0: all
};

/// Two convolutions, each with a norm and an activation.
Sequential double_conv(std::int64_t in, std::int64_t out) {
  return Sequential(Conv2d(in, out, 3, {.padding = 1, .bias = false}), BatchNorm2d(out), ReLU(),
                    Conv2d(out, out, 3, {.padding = 1, .bias = false}), BatchNorm2d(out), ReLU());
}

// Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015, with two
// levels and padded convolutions.
struct UNet : Module {
  UNet(std::int64_t channels, std::int64_t classes, std::int64_t w)
      : down1(double_conv(channels, w)),
        down2(double_conv(w, 2 * w)),
        bottom(double_conv(2 * w, 4 * w)),
        up2(4 * w, 2 * w, 2, {.stride = 2}),
        join2(double_conv(4 * w, 2 * w)),
        up1(2 * w, w, 2, {.stride = 2}),
        join1(double_conv(2 * w, w)),
        head(w, classes, 1) {}

  Sequential down1;
  Sequential down2;
  Sequential bottom;
  ConvTranspose2d up2;
  Sequential join2;
  ConvTranspose2d up1;
  Sequential join1;
  Conv2d head;
  NORMGRAD_MEMBERS(UNet, down1, down2, bottom, up2, join2, up1, join1, head)

  /// [N, C, H, W] -> [N, classes, H, W]; H and W are multiples of 4.
  Tensor forward(const Tensor& x) override {
    const Tensor a = down1(x);
    const Tensor b = down2(max_pool2d(a, 2));
    const Tensor c = bottom(max_pool2d(b, 2));
    const Tensor d = join2(cat({up2(c), b}, 1));
    return head(join1(cat({up1(d), a}, 1)));
  }
};

/// The class of each pixel: 0 for the background, 1 + label where the image is bright.
Tensor masks_of(const Batch& batch) {
  const Tensor bright = (batch.inputs.select(1, 0) > 0.5).to(kInt64);
  return bright * (batch.labels.reshape({-1, 1, 1}) + 1);
}

struct Scores {
  double iou = 0.0;     // of bright pixels: intersection / union
  double recall = 0.0;  // share of the bright pixels with the right digit
};

Scores test_scores(UNet& net, const ImageDataset& test, double noise) {
  const NoGradGuard no_grad;
  net.eval();
  Generator generator(0);  // the same noise each time
  double both = 0.0;
  double either = 0.0;
  double right = 0.0;
  double bright = 0.0;
  DataLoader batches(test, {.batch_size = 250});
  for (const Batch& batch : batches) {
    const Tensor target = masks_of(batch);
    const Tensor found = net(batch.inputs + randn(batch.inputs.shape(), {}, &generator) * noise).argmax(1);
    const Tensor is_found = found > 0;
    const Tensor is_target = target > 0;
    const auto count = [](const Tensor& mask) { return mask.to(kFloat32).sum().item(); };
    both += count(is_found & is_target);
    either += count(is_found | is_target);
    right += count((found == target) & is_target);
    bright += count(is_target);
  }
  net.train();
  return {.iou = both / either, .recall = right / bright};
}

void train(const Options& options) {
  lab::TrainingRun run(options);
  const auto [train_set, test_set] =
      open_dataset(options.data, {.standardize = false, .train_limit = options.train_limit});
  const Shape image = train_set.image_shape();
  require<ValueError>(image[1] % 4 == 0 && image[2] % 4 == 0,
                      "--data: expected images of a multiple of 4 pixels but got ", image);

  manual_seed(options.seed);
  UNet net(image[0], train_set.num_classes() + 1, options.width);
  // The transform makes the target from the clean image, then adds noise to the image.
  const auto with_noise = [noise = options.noise](Batch batch, Generator& generator) {
    const Tensor masks = masks_of(batch);
    return Batch{.inputs = batch.inputs + randn(batch.inputs.shape(), {}, &generator) * noise, .labels = masks};
  };
  DataLoader batches(train_set, {.batch_size = options.batch_size,
                                 .shuffle = true,
                                 .drop_last = true,
                                 .seed = options.seed,
                                 .transform = with_noise});
  AdamW optimizer(norm_aware_groups(net, AdamWOptions{.lr = options.lr}));
  OneCycleLR schedule(optimizer, options.lr, {.total_steps = options.epochs * batches.num_batches()});
  double loss_sum = 0.0;
  Scores scores;
  run.begin({lab::options_part(
                 {{"epochs", static_cast<double>(options.epochs)}, {"noise", options.noise}, {"lr", options.lr}}),
             {"data", RunProperty{data_fingerprint(train_set)}},
             {"model", net},
             {"optimizer", optimizer},
             {"schedule", schedule},
             {"loader", batches},
             {"loss_sum", loss_sum},
             {"iou", scores.iou},
             {"recall", scores.recall}});

  while (batches.epoch() < options.epochs) {
    const std::int64_t epoch = batches.epoch() + 1;
    Progress bar("epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs), batches.num_batches(),
                 {.done = run.steps() - (epoch - 1) * batches.num_batches()});
    for (const auto& [images, masks] : batches) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(images), masks);
      loss.backward();
      optimizer.step();
      schedule.step();
      loss_sum += loss.item();
      bar.advance({{"loss", loss.item()}});
      run.end_step();
    }
    bar.finish();
    scores = test_scores(net, test_set, options.noise);
    const double mean_loss = loss_sum / static_cast<double>(batches.num_batches());
    run.write({{"epoch", static_cast<double>(epoch)},
               {"train_loss", mean_loss},
               {"test_iou", scores.iou},
               {"test_recall", scores.recall}});
    log(LogLevel::info, "epoch ", epoch, ": training loss ", mean_loss, ", test IoU ", scores.iou,
        ", pixels with the right digit ", scores.recall);
    loss_sum = 0.0;
    run.save();
  }
  save_safetensors(run.path("model.safetensors"), net, {{"format", "pt"}});
  std::cout << "test IoU: " << scores.iou << "\npixels with the right digit: " << scores.recall << "\nwrote "
            << run.path("model.safetensors").string() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("unet", [&] {
    Options options;
    options.out = "out/unet";
    lab::CommandLine line("unet",
                          "Trains a U-Net to find and recognize digits, pixel by pixel, in noisy images.\nCan be "
                          "stopped at any moment; --resume continues.");
    line.add("--data", options.data, "digits, fashion-mnist, or a folder as for images");
    line.add("--epochs", options.epochs, "Passes through the training images", lab::kAtLeastOne);
    line.add("--batch-size", options.batch_size, "Images per step", {2, 1 << 20});
    line.add("--width", options.width, "Channels of the first level", lab::kAtLeastOne);
    line.add("--noise", options.noise, "Standard deviation of the noise");
    line.add("--lr", options.lr, "Highest learning rate", lab::kAboveZero);
    line.add("--train-limit", options.train_limit, "Train on the first N images only; 0: all");
    line.add_run_options(options);
    if (line.parse(argc, argv)) {
      train(options);
    }
    return 0;
  });
}
