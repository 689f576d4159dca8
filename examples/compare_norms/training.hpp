// One training run of compare_norms.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "examples/compare_norms/options.hpp"
#include "examples/compare_norms/probes.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// One row of results.csv.
struct Measurement {
  std::int64_t step = 0;
  double epoch = 0.0;          ///< passes through the training images so far
  double train_loss = 0.0;     ///< mean over the batches since the measurement before
  double test_loss = 0.0;      ///< over all test images, in eval mode
  double test_accuracy = 0.0;  ///< from 0 to 1
  double seconds = 0.0;        ///< spent on training since the run began, measurements not counted
};

struct Run {
  std::uint64_t seed = 0;
  std::vector<Measurement> measurements;
  std::vector<Probe> probes;    ///< one per measurement, when they were asked for
  std::int64_t steps = 0;       ///< that were done
  double seconds = 0.0;         ///< that they took
  std::size_t peak_memory = 0;  ///< bytes in tensors at once while training
  bool diverged = false;        ///< the loss became infinite or NaN; the run ended there
  bool complete = false;        ///< neither interrupted nor diverged
};

/// What is told and asked while a run goes on.
struct RunEvents {
  std::function<void(std::int64_t step)> on_step;
  std::function<void(const Measurement&)> on_measurement;
  std::function<bool()> should_stop;
};

/// Images with as many classes as their labels say.
struct Data {
  std::string name;
  normgrad::ImageSplits images;
  std::int64_t num_classes = 10;
  std::string fingerprint;  ///< of all pixels and labels that are used
};

/// open_dataset(), standardised by the training images that are used; classes are counted. Throws IoError for what
/// cannot be read, and when training and test images do not go up to the same class.
Data open_data(const std::string& source, std::int64_t train_limit);

struct Score {
  double loss = 0.0;
  double accuracy = 0.0;
};
/// Over all images, in the mode that the model is in.
Score score(normgrad::Module& model, const normgrad::ImageDataset& images);

/// Batches without end: epoch after epoch in an order that depends on the seed only.
class BatchStream {
 public:
  BatchStream(const normgrad::ImageDataset& images, std::int64_t batch_size, std::uint64_t seed)
      : loader_(images, {.batch_size = batch_size, .shuffle = true, .drop_last = true, .seed = seed}),
        position_(loader_.begin()) {}
  normgrad::Batch next();

 private:
  normgrad::DataLoader loader_;
  normgrad::DataLoader::Iterator position_;
};

/// Trains as `plan` says. Initialisation and order of images depend on `seed` only.
Run train(const Plan& plan, std::uint64_t seed, const Data& data, const RunEvents& events);

}  // namespace compare_norms
