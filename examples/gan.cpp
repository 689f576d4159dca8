// gan: trains a generator of images against a critic, as WGAN-GP, whose gradient penalty is differentiated twice. See
// docs/cookbook.md.
#include <iostream>

#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;

struct Options : lab::RunOptions {
  std::string data = "digits";
  std::int64_t steps = 2000;  // of the generator
  std::int64_t critic_steps = 3;
  std::int64_t batch_size = 32;
  std::int64_t width = 16;
  std::int64_t latent = 32;
  double penalty = 10.0;
  double lr = 5e-4;
  std::int64_t eval_every = 100;
  std::int64_t train_limit = 0;  // 0: all
};

struct Generator2d : Module {
  Generator2d(const Shape& image, const Options& o)
      : fc(o.latent, 2 * o.width * (image[1] / 4) * (image[2] / 4)),
        norm1(2 * o.width),
        up1(2 * o.width, o.width, 4, {.stride = 2, .padding = 1}),
        norm2(o.width),
        up2(o.width, image[0], 4, {.stride = 2, .padding = 1}),
        small({2 * o.width, image[1] / 4, image[2] / 4}) {}

  Linear fc;
  BatchNorm2d norm1;
  ConvTranspose2d up1;
  BatchNorm2d norm2;
  ConvTranspose2d up2;
  NORMGRAD_MEMBERS(Generator2d, fc, norm1, up1, norm2, up2)
  Shape small;

  /// z [N, latent] -> images [N, C, H, W] in (0, 1).
  Tensor forward(const Tensor& z) override {
    const Tensor h = relu(norm1(fc(z).reshape({z.size(0), small[0], small[1], small[2]})));
    return up2(relu(norm2(up1(h)))).sigmoid();
  }
};

/// Without batch norms: the penalty is one of each image by itself.
struct Critic : Module {
  Critic(const Shape& image, const Options& o)
      : down1(image[0], o.width, 4, {.stride = 2, .padding = 1}),
        down2(o.width, 2 * o.width, 4, {.stride = 2, .padding = 1}),
        fc(2 * o.width * (image[1] / 4) * (image[2] / 4), 1) {}

  Conv2d down1;
  Conv2d down2;
  Linear fc;
  NORMGRAD_MEMBERS(Critic, down1, down2, fc)

  Tensor forward(const Tensor& x) override { return fc(leaky_relu(down2(leaky_relu(down1(x), 0.2)), 0.2).flatten(1)); }
};

/// The mean of (|gradient of the critic| - 1)^2 at random points between real and generated images: Gulrajani et al.,
/// "Improved training of Wasserstein GANs", 2017, algorithm 1.
Tensor gradient_penalty(Critic& critic, const Tensor& real, const Tensor& fake) {
  const Tensor t = rand({real.size(0), 1, 1, 1});
  Tensor between = (real * t + fake * (t * -1.0 + 1.0)).detach();
  between.requires_grad_();
  const Tensor gradient = grad({critic(between).sum()}, {between}, {}, {.create_graph = true})[0];
  const Tensor norm = (gradient.flatten(1).square().sum({1}) + 1e-12).sqrt();
  return (norm - 1.0).square().mean();
}

/// |mean of generated images - mean image of the data| / |mean image of the data|: 0 if the means agree.
double distance_of_means(Generator2d& generator, const Tensor& mean_image, const Tensor& z) {
  const NoGradGuard no_grad;
  generator.eval();
  const Tensor mean = generator(z).mean({0});
  generator.train();
  return ((mean - mean_image).square().sum().sqrt() / mean_image.square().sum().sqrt()).item();
}

void train(const Options& options) {
  lab::TrainingRun run(options);
  const auto [train_set, test_set] =
      open_dataset(options.data, {.standardize = false, .train_limit = options.train_limit});
  const Shape image = train_set.image_shape();
  require<ValueError>(image[1] % 4 == 0 && image[2] % 4 == 0,
                      "--data: expected images of a multiple of 4 pixels but got ", image);
  const Tensor mean_image = test_set.all().inputs.mean({0});

  manual_seed(options.seed);
  Generator2d generator(image, options);
  Critic critic(image, options);
  const Tensor fixed_z = randn({64, options.latent});
  DataLoader batches(train_set,
                     {.batch_size = options.batch_size, .shuffle = true, .drop_last = true, .seed = options.seed});
  Adam of_generator(generator.parameters(), {.lr = options.lr, .betas = {0.5, 0.9}});
  Adam of_critic(critic.parameters(), {.lr = options.lr, .betas = {0.5, 0.9}});
  std::int64_t critic_steps = 0;  // since the generator's last one
  double estimate = 0.0;          // of the Wasserstein distance
  double distance = 0.0;
  run.begin({lab::options_part({{"critic-steps", static_cast<double>(options.critic_steps)},
                                {"penalty", options.penalty},
                                {"lr", options.lr},
                                {"eval-every", static_cast<double>(options.eval_every)}}),
             {"data", RunProperty{data_fingerprint(train_set)}},
             {"generator", generator},
             {"critic", critic},
             {"of_generator", of_generator},
             {"of_critic", of_critic},
             {"loader", batches},
             {"critic_steps", critic_steps},
             {"estimate", estimate},
             {"distance", distance}});

  Progress bar("training", options.steps, {.done = run.steps()});
  while (run.steps() < options.steps) {
    for (const auto& [real, labels] : batches) {
      // The critic learns to tell generated images from real ones.
      const Tensor fake = generator(randn({real.size(0), options.latent})).detach();
      of_critic.zero_grad();
      const Tensor difference = critic(real).mean() - critic(fake).mean();
      (gradient_penalty(critic, real, fake) * options.penalty - difference).backward();
      of_critic.step();
      estimate = difference.item();
      if (++critic_steps < options.critic_steps) {
        continue;
      }
      critic_steps = 0;
      // The generator learns to make images that the critic takes for real.
      of_generator.zero_grad();
      (critic(generator(randn({real.size(0), options.latent}))).mean() * -1.0).backward();
      of_generator.step();
      bar.advance({{"estimate", estimate}});
      const std::int64_t step = run.steps() + 1;
      if (step % options.eval_every == 0 || step == options.steps) {
        distance = distance_of_means(generator, mean_image, fixed_z);
        run.write({{"step", static_cast<double>(step)}, {"estimate", estimate}, {"distance_of_means", distance}});
        log(LogLevel::info, "step ", step, ": estimate of the distance ", estimate, ", of the mean images ", distance);
      }
      run.end_step();
      if (run.steps() == options.steps) {
        break;
      }
    }
  }
  bar.finish();
  run.save();
  const NoGradGuard no_grad;
  generator.eval();
  write_png(run.path("samples.png"), make_grid(generator(fixed_z)));
  save_safetensors(run.path("generator.safetensors"), generator, {{"format", "pt"}});
  std::cout << "distance of the mean images: " << distance << "\nwrote " << run.path("samples.png").string()
            << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("gan", [&] {
    Options options;
    options.out = "out/gan";
    lab::CommandLine line("gan",
                          "Trains a generator of images against a critic (WGAN-GP) and draws samples.png.\nCan be "
                          "stopped at any moment; --resume continues, also with more --steps.");
    line.add("--data", options.data, "digits, fashion-mnist, or a folder as for images");
    line.add("--steps", options.steps, "Steps of the generator", lab::kAtLeastOne);
    line.add("--critic-steps", options.critic_steps, "Steps of the critic for each of the generator", lab::kAtLeastOne);
    line.add("--batch-size", options.batch_size, "Images per step", {2, 1 << 20});
    line.add("--width", options.width, "Channels", lab::kAtLeastOne);
    line.add("--latent", options.latent, "Random numbers that determine an image", lab::kAtLeastOne);
    line.add("--penalty", options.penalty, "Weight of the gradient penalty");
    line.add("--lr", options.lr, "Learning rate of both", lab::kAboveZero);
    line.add("--eval-every", options.eval_every, "Steps from one row of metrics to the next", lab::kAtLeastOne);
    line.add("--train-limit", options.train_limit, "Train on the first N images only; 0: all");
    line.add_run_options(options);
    if (line.parse(argc, argv)) {
      train(options);
    }
    return 0;
  });
}
