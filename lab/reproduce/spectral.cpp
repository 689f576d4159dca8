// Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.
#include <algorithm>
#include <cmath>

#include "lab/compare_norms/summary.hpp"
#include "lab/reproduce/grid.hpp"

namespace reproduce {

using namespace normgrad;

namespace {

constexpr std::int64_t kLatent = 32;
constexpr std::int64_t kGanBatch = 64;
constexpr std::int64_t kSamples = 500;

/// A setting of Adam, and the steps of the critic for one of the generator: the paper's Table 1.
struct GanSetting {
  std::string name;
  double lr, beta1, beta2;
  int critic_steps;
};

enum class CriticNorm { none, weight, spectral };

Sequential make_generator(std::int64_t pixels) {
  return Sequential(Linear(kLatent, 128), BatchNorm1d(128), ReLU(), Linear(128, 128), BatchNorm1d(128), ReLU(),
                    Linear(128, pixels), Tanh());
}

Sequential make_critic(CriticNorm norm, std::int64_t pixels) {
  Sequential net;
  std::int64_t in = pixels;
  for (const std::int64_t out : {128, 128, 1}) {
    Linear layer(in, out);
    if (norm == CriticNorm::spectral) {
      spectral_norm(layer);
    } else if (norm == CriticNorm::weight) {
      weight_norm(layer);
    }
    net.push_back(std::move(layer));
    if (out != 1) {
      net.push_back(LeakyReLU(0.1));
    }
    in = out;
  }
  return net;
}

/// The largest norm of the critic's gradient at real and generated images and between them: at most its Lipschitz
/// constant.
double steepest(Sequential& critic, const Tensor& real, const Tensor& fake) {
  double largest = 0.0;
  for (const double t : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    Tensor x = (real * t + fake * (1.0 - t)).detach();
    x.requires_grad_();
    const Tensor gradient = grad({critic(x).sum()}, {x})[0];
    largest = std::max(largest, gradient.square().sum(1).sqrt().max().item());
  }
  return largest;
}

/// The two-sample score of generated images, and the critic's steepest gradient. The score of a run that diverged is 1.
Numbers train_gan(const GanSetting& setting, CriticNorm norm, const ImageSplits& data, std::int64_t steps,
                  std::uint64_t seed) {
  manual_seed(seed);
  const std::int64_t pixels = data.train.image_shape().numel();
  Sequential generator = make_generator(pixels);
  Sequential critic = make_critic(norm, pixels);
  const AdamOptions options = {.lr = setting.lr, .betas = {setting.beta1, setting.beta2}};
  Adam of_generator(generator.parameters(), options);
  Adam of_critic(critic.parameters(), options);
  compare_norms::BatchStream stream(data.train, kGanBatch, seed);
  const auto images_of = [&](const Batch& batch) { return batch.inputs.flatten(1) * 2.0 - 1.0; };
  for (std::int64_t step = 0; step < steps; ++step) {
    for (int k = 0; k < setting.critic_steps; ++k) {
      const Tensor fake = generator(randn({kGanBatch, kLatent})).detach();
      of_critic.zero_grad();
      (softplus(critic(images_of(stream.next())) * -1.0).mean() + softplus(critic(fake)).mean()).backward();
      of_critic.step();
    }
    of_generator.zero_grad();
    softplus(critic(generator(randn({kGanBatch, kLatent}))) * -1.0).mean().backward();
    of_generator.step();
  }
  generator.eval();
  critic.eval();
  const Tensor fake = [&] {
    const NoGradGuard no_grad;
    return generator(randn({kSamples, kLatent}));
  }();
  const Tensor real = images_of(data.test.first(kSamples).all());
  const double score = energy_distance(real, fake);
  return {std::isfinite(score) ? score : 1.0, steepest(critic, real, fake)};
}

}  // namespace

Outcome spectral(const Settings& settings) {
  const std::vector<GanSetting> all = {{"A", 1e-4, 0.5, 0.9, 5},   {"B", 1e-4, 0.5, 0.999, 1},
                                       {"C", 2e-4, 0.5, 0.999, 1}, {"D", 1e-3, 0.5, 0.9, 5},
                                       {"E", 1e-3, 0.5, 0.999, 5}, {"F", 1e-3, 0.9, 0.999, 5}};
  const std::vector<GanSetting> used = settings.quick ? std::vector<GanSetting>{all[3], all[5]} : all;
  const std::vector<CriticNorm> norms = {CriticNorm::none, CriticNorm::weight, CriticNorm::spectral};
  const std::vector<std::string> names = {"none", "weight norm", "spectral norm"};
  const std::size_t seeds = settings.choose<std::size_t>(7, 3, 1);
  const std::int64_t steps = settings.choose<std::int64_t>(2000, 250, 2);
  const ImageSplits data = open_dataset(settings.data, {.standardize = false, .train_limit = 20'000});
  std::string letters;
  for (const GanSetting& setting : used) {
    letters += (letters.empty() ? "" : ", ") + setting.name;
  }
  Outcome outcome{.name = "spectral",
                  .source =
                      "Miyato et al., \"Spectral Normalization for Generative Adversarial Networks\", ICLR 2018, "
                      "sections 2 and 4.1, Table 1",
                  .setup = "Generators 32-128-128-784 with BatchNorm and critics 784-128-128-1 on " + settings.data +
                           ", batch 64, " + std::to_string(steps) + " steps of the generator, the paper's settings " +
                           letters + " of Adam, " + std::to_string(seeds) +
                           " seeds; scored by the energy distance of 500 generated and 500 test images as a fraction "
                           "of its largest value (0 is best)",
                  .differs =
                      "The paper trains convolutional nets on CIFAR-10 and STL-10 for 100,000 steps and prints "
                      "inception scores. It has no critic without any norm."};
  const Grid grid =
      run_grid(settings, "spectral", norms.size() * used.size(), seeds, [&](std::size_t setup, std::uint64_t seed) {
        return train_gan(used[setup % used.size()], norms[setup / used.size()], data, steps, seed);
      });
  lab::Table table{.title = "After training",
                   .header = {"setting", "norm of the critic", "score", "steepest gradient"}};
  for (std::size_t u = 0; u < used.size(); ++u) {
    for (std::size_t n = 0; n < norms.size(); ++n) {
      lab::Row row = row_of(grid, n * used.size() + u, names[n], {3, 2});
      row.cells.insert(row.cells.begin(), used[u].name + ": lr " + compare_norms::short_number(used[u].lr) +
                                              ", betas " + compare_norms::short_number(used[u].beta1) + " and " +
                                              compare_norms::short_number(used[u].beta2));
      table.rows.push_back(row);
    }
  }
  outcome.tables.push_back(table);
  std::vector<double> with;
  std::vector<double> without;
  for (std::size_t u = 0; u < used.size(); ++u) {
    const std::vector<double> a = grid.of(2 * used.size() + u, 1);
    const std::vector<double> b = grid.of(u, 1);
    with.insert(with.end(), a.begin(), a.end());
    without.insert(without.end(), b.begin(), b.end());
  }
  const double largest = *std::max_element(with.begin(), with.end());
  outcome.findings.push_back(
      {.claim = "Spectral norm bounds the Lipschitz constant of the critic by 1: no gradient is longer (up to 1 %, the "
                "error of one power iteration per step, which is ours)",
       .published = "1 (section 2.1)",
       .measured = "the longest is " + fixed(largest, 3) + " in all runs; without a norm " +
                   with_interval(lab::median_with_interval(without), 2),
       .held = largest <= 1.01});
  for (std::size_t u = 0; u < used.size(); ++u) {
    const lab::Estimate d = grid.difference(used.size() + u, 2 * used.size() + u);
    outcome.findings.push_back(
        {.claim = "Setting " + used[u].name + ": the images are better with spectral norm than with weight norm",
         .published = "better in every setting (figure 1)",
         .measured = "score lower by " + with_interval(d, 3) + ", " + std::to_string(seeds) + " seeds",
         .held = is_above(d)});
  }
  return outcome;
}

}  // namespace reproduce
