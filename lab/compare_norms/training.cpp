#include "lab/compare_norms/training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "lab/compare_norms/learner.hpp"
#include "lab/compare_norms/models.hpp"
#include "lab/files.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kTestBatch = 500;
constexpr std::int64_t kTestTokens = 8192;  // of a batch of text
constexpr std::int64_t kTestWindows = 200;

/// The highest label and the first image with it.
std::pair<std::int64_t, std::int64_t> highest_label(const ImageDataset& images) {
  std::pair<std::int64_t, std::int64_t> highest = {-1, 0};
  for (std::int64_t i = 0; i < images.size(); ++i) {
    if (images.label(i) > highest.first) {
      highest = {images.label(i), i};
    }
  }
  return highest;
}

/// The bytes of shape, pixels and labels.
std::string contents_of(const ImageDataset& images) {
  std::string text = to_string(images.image_shape());
  for (std::int64_t i = 0; i < images.size(); ++i) {
    const std::span<const std::uint8_t> pixels = images.pixels(i);
    text.append(pixels.begin(), pixels.end());
    text += static_cast<char>(images.label(i));
  }
  return text;
}

bool has_finite_parameters(const Module& model) {
  const NoGradGuard no_grad;
  const std::vector<Tensor> parameters = model.parameters();
  return std::all_of(parameters.begin(), parameters.end(),
                     [](const Tensor& parameter) { return isfinite(parameter).all().item() != 0.0; });
}

}  // namespace

Data open_data(const std::string& source, std::int64_t train_limit, std::int64_t test_limit) {
  constexpr std::int64_t kAnyLabel = 256;
  ImageSplits images = open_dataset(source, {.standardize = false, .num_classes = kAnyLabel});
  const auto [train_label, train_index] = highest_label(images.train);
  const auto [test_label, test_index] = highest_label(images.test);
  require<IoError>(train_label <= test_label, source, "/train-labels-idx1-ubyte: label ", train_index, " is ",
                   train_label, ", but the test labels end at ", test_label);
  require<IoError>(test_label <= train_label, source, "/t10k-labels-idx1-ubyte: label ", test_index, " is ", test_label,
                   ", but the training labels end at ", train_label);
  if (train_limit > 0) {
    images.train = images.train.first(train_limit);
  }
  if (test_limit > 0) {
    images.test = images.test.first(test_limit);
  }
  const PixelStatistics statistics = images.train.pixel_statistics();
  return {.name = source,
          .images = {.train = images.train.standardized(statistics), .test = images.test.standardized(statistics)},
          .num_classes = train_label + 1,
          .fingerprint = lab::fingerprint(contents_of(images.train) + contents_of(images.test)),
          .pixels = statistics};
}

TextData open_text(const std::string& file) {
  const std::string text = file.empty() ? make_stories() : read_text(file);
  const CharVocabulary vocabulary(text);
  const TokenSplits tokens = split_tokens(vocabulary.encode(text));
  const std::int64_t tested = std::min(tokens.validation.size(0), kTestWindows * kContext + 1);
  return {.name = file.empty() ? "stories" : file,
          .train = std::make_shared<TokenWindows>(tokens.train, kContext),
          .test = std::make_shared<TokenWindows>(tokens.validation.slice(0, 0, tested), kContext),
          .characters = vocabulary.size(),
          .fingerprint = lab::fingerprint(text)};
}

DatasetPtr Data::train_set(const std::string& model) const {
  require<ValueError>(!reads_text(model) || text.has_value(), model, ": expected text but got none");
  return reads_text(model) ? text->train : std::make_shared<ImageDataset>(images.train);
}
DatasetPtr Data::test_set(const std::string& model) const {
  require<ValueError>(!reads_text(model) || text.has_value(), model, ": expected text but got none");
  return reads_text(model) ? text->test : std::make_shared<ImageDataset>(images.test);
}
std::int64_t Data::num_classes_of(const std::string& model) const {
  return reads_text(model) && text ? text->characters : num_classes;
}
std::int64_t Data::num_test_labels(const std::string& model) const {
  return test_set(model)->size() * (reads_text(model) ? kContext : 1);
}

bool holds_text(const Dataset& examples) {
  const std::int64_t first = 0;
  return examples.batch({&first, 1}).inputs.dtype() == kInt64;
}

Score score(Module& model, const ImageDataset& images) { return score(model, std::make_shared<ImageDataset>(images)); }

Score score(Module& model, const DatasetPtr& examples) {
  const NoGradGuard no_grad;
  Score sum;
  std::int64_t total = 0;
  const bool is_text = holds_text(*examples);
  const std::int64_t batch_size = is_text ? kTestTokens / kContext : kTestBatch;
  for (const auto& [inputs, given] : DataLoader(examples, {.batch_size = batch_size})) {
    const Tensor labels = given.flatten();
    total += labels.numel();
    const Tensor scores = model(inputs);
    sum.loss += cross_entropy(scores, labels, {.reduction = Reduction::sum}).item();
    sum.accuracy += static_cast<double>(count_correct(scores, labels));
  }
  const auto count = static_cast<double>(total);
  return {.loss = sum.loss / count, .accuracy = sum.accuracy / count};
}

Batch BatchStream::next() {
  if (position_ == loader_.end()) {
    position_ = loader_.begin();
  }
  Batch batch = *position_;
  ++position_;
  return batch;
}

Run train(const Plan& plan, std::uint64_t seed, const Data& data, const RunEvents& events) {
  using Clock = std::chrono::steady_clock;
  Run run;
  run.seed = seed;
  manual_seed(seed);
  const DatasetPtr train_set = data.train_set(plan.model);
  Prober prober(plan.probes, *train_set);

  const std::unique_ptr<Learner> learner = make_learner(plan, seed, data, prober.taps());
  BatchStream batches(train_set, plan.batch_size, seed);
  double loss_sum = 0.0;
  std::int64_t loss_count = 0;
  reset_peak_memory();
  for (std::int64_t step = 1; step <= plan.steps && !run.diverged; ++step) {
    if (events.should_stop()) {
      return run;
    }
    const Clock::time_point start = Clock::now();
    if (plan.warmup > 0 || plan.schedule != "constant") {
      learner->set_lr(lr_of(plan, step));
    }
    const double loss = learner->step(batches.next());
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
    run.diverged = run.diverged || !has_finite_parameters(learner->model());  // the last step may have been too large
    const Score test = learner->evaluate(data.test_set(plan.model));
    run.measurements.push_back(
        {.step = step,
         .epoch = static_cast<double>(step * plan.batch_size) / static_cast<double>(train_set->size()),
         .train_loss = loss_sum / static_cast<double>(loss_count),
         .test_loss = test.loss,
         .test_accuracy = test.accuracy,
         .seconds = run.seconds,
         .test_deviation = test.deviation});
    if (plan.probes) {
      run.probes.push_back(prober.measure(learner->model(), step));
    }
    events.on_measurement(run.measurements.back());
    loss_sum = 0.0;
    loss_count = 0;
    reset_peak_memory();
  }
  run.complete = !run.diverged;
  return run;
}

}  // namespace compare_norms
