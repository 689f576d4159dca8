// vae: trains a variational autoencoder on images and draws new ones. See docs/cookbook.md.
#include <iostream>

#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;

struct Options : lab::RunOptions {
  std::string data = "digits";
  std::int64_t epochs = 10;
  std::int64_t batch_size = 100;
  std::int64_t hidden = 256;
  std::int64_t latent = 16;
  double lr = 1e-3;
  std::int64_t train_limit = 0;  // 0: all
};

// Kingma and Welling, "Auto-encoding variational Bayes", 2014.
struct Vae : Module {
  Vae(std::int64_t pixels, const Options& o)
      : encoder(Linear(pixels, o.hidden), LayerNorm(o.hidden), ReLU()),
        mean(o.hidden, o.latent),
        log_var(o.hidden, o.latent),
        decoder(Linear(o.latent, o.hidden), LayerNorm(o.hidden), ReLU(), Linear(o.hidden, pixels)) {}

  Sequential encoder;
  Linear mean;
  Linear log_var;
  Sequential decoder;
  NORMGRAD_MEMBERS(Vae, encoder, mean, log_var, decoder)

  /// A bound of -log p(x), in nats per image: the cost of x given a sample of z, and of z given x. x: [N, pixels].
  Tensor loss(const Tensor& x) {
    const Tensor h = encoder(x);
    const Tensor mu = mean(h);
    const Tensor lv = log_var(h);
    const Tensor z = mu + (lv * 0.5).exp() * randn_like(mu);
    const Tensor of_x = binary_cross_entropy_with_logits(decoder(z), x, {.reduction = Reduction::sum});
    const Tensor of_z = (mu.square() + lv.exp() - lv - 1.0).sum() * 0.5;
    return (of_x + of_z) / static_cast<double>(x.size(0));
  }
};

void train(const Options& options) {
  lab::TrainingRun run(options);
  const auto [train_set, test_set] =
      open_dataset(options.data, {.standardize = false, .train_limit = options.train_limit});
  const Shape image = train_set.image_shape();

  manual_seed(options.seed);
  Vae net(image.numel(), options);
  DataLoader batches(train_set,
                     {.batch_size = options.batch_size, .shuffle = true, .drop_last = true, .seed = options.seed});
  Adam optimizer(net.parameters(), {.lr = options.lr});
  double loss_sum = 0.0;
  double test_loss = 0.0;
  run.begin({lab::options_part({{"lr", options.lr}}),
             {"data", RunProperty{data_fingerprint(train_set)}},
             {"model", net},
             {"optimizer", optimizer},
             {"loader", batches},
             {"loss_sum", loss_sum},
             {"test_loss", test_loss}});

  while (batches.epoch() < options.epochs) {
    const std::int64_t epoch = batches.epoch() + 1;
    Progress bar("epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs), batches.num_batches(),
                 {.done = run.steps() - (epoch - 1) * batches.num_batches()});
    for (const auto& [images, labels] : batches) {
      optimizer.zero_grad();
      const Tensor loss = net.loss(images.flatten(1));
      loss.backward();
      optimizer.step();
      loss_sum += loss.item();
      bar.advance({{"loss", loss.item()}});
      run.end_step();
    }
    bar.finish();
    {
      const NoGradGuard no_grad;
      test_loss = net.loss(test_set.all().inputs.flatten(1)).item();
    }
    const double mean_loss = loss_sum / static_cast<double>(batches.num_batches());
    run.write({{"epoch", static_cast<double>(epoch)}, {"train_loss", mean_loss}, {"test_loss", test_loss}});
    log(LogLevel::info, "epoch ", epoch, ": training loss ", mean_loss, ", test loss ", test_loss);
    loss_sum = 0.0;
    run.save();
  }
  const NoGradGuard no_grad;
  const Tensor drawn = net.decoder(randn({64, options.latent})).sigmoid();
  write_png(run.path("samples.png"), make_grid(drawn.reshape({64, image[0], image[1], image[2]})));
  save_safetensors(run.path("model.safetensors"), net, {{"format", "pt"}});
  std::cout << "test loss: " << test_loss << " nats per image\nwrote " << run.path("samples.png").string() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("vae", [&] {
    Options options;
    options.out = "out/vae";
    lab::CommandLine line("vae",
                          "Trains a variational autoencoder on images and draws new ones into samples.png.\nCan be "
                          "stopped at any moment; --resume continues, also with more --epochs.");
    line.add("--data", options.data, "digits, fashion-mnist, or a folder as for images");
    line.add("--epochs", options.epochs, "Passes through the training images", lab::kAtLeastOne);
    line.add("--batch-size", options.batch_size, "Images per step", lab::kAtLeastOne);
    line.add("--hidden", options.hidden, "Features of the hidden layers", lab::kAtLeastOne);
    line.add("--latent", options.latent, "Numbers that describe an image", lab::kAtLeastOne);
    line.add("--lr", options.lr, "Learning rate", lab::kAboveZero);
    line.add("--train-limit", options.train_limit, "Train on the first N images only; 0: all");
    line.add_run_options(options);
    if (line.parse(argc, argv)) {
      train(options);
    }
    return 0;
  });
}
