#include "examples/compare_norms/training.hpp"

#include <chrono>
#include <cmath>
#include <memory>

#include "examples/compare_norms/models.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kTestBatch = 500;

std::unique_ptr<Optimizer> make_optimizer(const Plan& plan, const std::vector<Tensor>& parameters) {
  if (plan.optimizer == "adam") {
    return std::make_unique<Adam>(parameters, AdamOptions{.lr = plan.lr});
  }
  if (plan.optimizer == "adamw") {
    return std::make_unique<AdamW>(parameters, AdamWOptions{.lr = plan.lr});
  }
  return std::make_unique<SGD>(parameters, SGDOptions{.lr = plan.lr, .momentum = plan.momentum});
}

struct Score {
  double loss = 0.0;
  double accuracy = 0.0;
};

/// Over all images, in eval mode.
Score evaluate(Sequential& model, const ImageDataset& images) {
  const NoGradGuard no_grad;
  model.eval();
  Score sum;
  for (const auto& [inputs, labels] : DataLoader(images, {.batch_size = kTestBatch})) {
    const Tensor scores = model(inputs);
    sum.loss += cross_entropy(scores, labels, {.reduction = Reduction::sum}).item();
    sum.accuracy += static_cast<double>(count_correct(scores, labels));
  }
  model.train();
  const auto count = static_cast<double>(images.size());
  return {.loss = sum.loss / count, .accuracy = sum.accuracy / count};
}

double train_step(Sequential& model, Optimizer& optimizer, const Batch& batch) {
  optimizer.zero_grad();
  const Tensor loss = cross_entropy(model(batch.inputs), batch.labels);
  loss.backward();
  optimizer.step();
  return loss.item();
}

/// Batches without end: epoch after epoch.
class BatchStream {
 public:
  BatchStream(const ImageDataset& images, const Plan& plan, std::uint64_t seed)
      : loader_(images, {.batch_size = plan.batch_size, .shuffle = true, .drop_last = true, .seed = seed}),
        position_(loader_.begin()) {}
  Batch next() {
    if (position_ == loader_.end()) {
      position_ = loader_.begin();
    }
    Batch batch = *position_;
    ++position_;
    return batch;
  }

 private:
  DataLoader loader_;
  DataLoader::Iterator position_;
};

}  // namespace

Run train(const Plan& plan, const std::string& norm, std::uint64_t seed, const ImageSplits& data,
          const RunEvents& events) {
  using Clock = std::chrono::steady_clock;
  Run run;
  run.model = plan.model;
  run.norm = norm;
  run.seed = seed;
  manual_seed(seed);
  Sequential model = make_model(plan.model, norm, data.train.image_shape(), data.train.num_classes());
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(plan, model.parameters());
  BatchStream batches(data.train, plan, seed);
  double loss_sum = 0.0;
  std::int64_t loss_count = 0;
  reset_peak_memory();
  for (std::int64_t step = 1; step <= plan.steps && !run.diverged; ++step) {
    if (events.should_stop()) {
      return run;
    }
    const Clock::time_point start = Clock::now();
    const double loss = train_step(model, *optimizer, batches.next());
    run.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    run.steps = step;
    run.diverged = !std::isfinite(loss);
    loss_sum += loss;
    ++loss_count;
    events.on_step(step);
    if (step % plan.eval_every != 0 && step != plan.steps && !run.diverged) {
      continue;
    }
    run.peak_memory = std::max(run.peak_memory, memory_stats().peak_bytes_in_use);
    const Score score = evaluate(model, data.test);
    run.measurements.push_back(
        {.step = step,
         .epoch = static_cast<double>(step * plan.batch_size) / static_cast<double>(data.train.size()),
         .train_loss = loss_sum / static_cast<double>(loss_count),
         .test_loss = score.loss,
         .test_accuracy = score.accuracy,
         .seconds = run.seconds});
    events.on_measurement(run, run.measurements.back());
    loss_sum = 0.0;
    loss_count = 0;
    reset_peak_memory();
  }
  run.complete = !run.diverged;
  return run;
}

}  // namespace compare_norms
