// One training run of compare_norms.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/compare_norms/options.hpp"
#include "lab/compare_norms/probes.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// One row of results.csv.
struct Measurement {
  std::int64_t step = 0;
  double epoch = 0.0;          ///< passes through the training images so far
  double train_loss = 0.0;     ///< mean over the batches since the previous measurement
  double test_loss = 0.0;      ///< over all test images, in eval mode
  double test_accuracy = 0.0;  ///< in [0, 1], or another metric; see metric_of()
  double seconds = 0.0;        ///< training time since the start of the run, without measurements
  /// Standard deviation of another metric due to the choice of test examples. That of an accuracy follows from their
  /// number.
  double test_deviation = 0.0;
};

struct Run {
  std::uint64_t seed = 0;
  std::vector<Measurement> measurements;
  std::vector<Probe> probes;    ///< one per measurement, if requested
  std::int64_t steps = 0;       ///< steps done
  double seconds = 0.0;         ///< training time of these steps
  std::size_t peak_memory = 0;  ///< peak bytes in tensors during training
  bool diverged = false;        ///< whether the loss became infinite or NaN, which ends the run
  bool complete = false;        ///< neither interrupted nor diverged
};

/// Callbacks during a run.
struct RunEvents {
  std::function<void(std::int64_t step)> on_step;
  std::function<void(const Measurement&)> on_measurement;
  std::function<bool()> should_stop;
};

/// Text as windows of characters.
struct TextData {
  std::string name;
  normgrad::DatasetPtr train;
  normgrad::DatasetPtr test;
  std::int64_t characters = 0;  ///< different ones
  std::string fingerprint;
};

/// Images, with the number of classes from their labels, and text for the language models.
struct Data {
  std::string name;
  normgrad::ImageSplits images;
  std::int64_t num_classes = 10;
  std::string fingerprint;  ///< of all pixels and labels in use
  std::optional<TextData> text = {};
  normgrad::PixelStatistics pixels = {};  ///< with which the images were standardized

  /// The examples of a model. Throws ValueError if it needs text and there is none.
  normgrad::DatasetPtr train_set(const std::string& model) const;
  normgrad::DatasetPtr test_set(const std::string& model) const;
  std::int64_t num_classes_of(const std::string& model) const;
  /// Predictions on which the accuracy of a model is measured.
  std::int64_t num_test_labels(const std::string& model) const;
};

/// A file of UTF-8 text, or stories made by the library for "". A tenth is for testing, at most 200 windows of it.
TextData open_text(const std::string& file);

/// open_dataset(), its first images if there are limits, standardized by the training images in use, with the classes
/// counted. Throws IoError if the data
/// cannot be read, and if training and test images do not have the same highest class.
Data open_data(const std::string& source, std::int64_t train_limit, std::int64_t test_limit = 0);

/// Whether the inputs are tokens.
bool holds_text(const normgrad::Dataset& examples);

struct Score {
  double loss = 0.0;
  double accuracy = 0.0;   ///< or another metric; see metric_of()
  double deviation = 0.0;  ///< see Measurement::test_deviation
};
/// Evaluates all examples in the model's current mode. The labels may be of any shape; the model's scores have a row
/// for each.
Score score(normgrad::Module& model, const normgrad::DatasetPtr& examples);
Score score(normgrad::Module& model, const normgrad::ImageDataset& images);

/// An infinite sequence of batches: epoch after epoch, in an order that depends only on the seed.
class BatchStream {
 public:
  BatchStream(const normgrad::ImageDataset& images, std::int64_t batch_size, std::uint64_t seed)
      : BatchStream(std::make_shared<normgrad::ImageDataset>(images), batch_size, seed) {}
  BatchStream(const normgrad::DatasetPtr& examples, std::int64_t batch_size, std::uint64_t seed)
      : loader_(examples, {.batch_size = batch_size, .shuffle = true, .drop_last = true, .seed = seed}),
        position_(loader_.begin()) {}
  normgrad::Batch next();

 private:
  normgrad::DataLoader loader_;
  normgrad::DataLoader::Iterator position_;
};

/// Trains according to `plan`. Initialization and order of images depend only on `seed`.
Run train(const Plan& plan, std::uint64_t seed, const Data& data, const RunEvents& events);

}  // namespace compare_norms
