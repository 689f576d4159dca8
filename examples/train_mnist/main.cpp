// train_mnist: a complete version of the README's training script. See --help and docs/train_mnist.md.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include "examples/train_mnist/options.hpp"
#include "examples/train_mnist/ranks.hpp"
#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace train_mnist {
namespace {

using namespace normgrad;
namespace fs = std::filesystem;

struct Net : Module {
  Net(const Shape& image, std::int64_t classes)
      : conv1(image[0], 16, 3, {.padding = 1, .bias = false}), fc(32 * (image[1] / 4) * (image[2] / 4), classes) {}

  Conv2d conv1;
  BatchNorm2d norm1{16};
  Conv2d conv2{16, 32, 3, {.padding = 1, .bias = false}};
  BatchNorm2d norm2{32};
  Linear fc;
  NORMGRAD_MEMBERS(Net, conv1, norm1, conv2, norm2, fc)

  Tensor forward(const Tensor& x) override {
    const Tensor h = max_pool2d(relu(norm1(conv1(x))), 2);
    return fc(max_pool2d(relu(norm2(conv2(h))), 2).flatten(1));
  }
};

/// The batches are dealt out to the ranks.
double test_accuracy(Net& net, const ImageDataset& test, DType dtype, const Ranks& ranks) {
  const NoGradGuard no_grad;
  net.eval();
  DataLoader batches(test, {.batch_size = 500});
  std::int64_t correct = 0;
  std::int64_t batch = 0;
  for (const auto& [images, labels] : batches) {
    if (batch++ % ranks.size() == ranks.rank()) {
      correct += count_correct(net(images.to(dtype)), labels);
    }
  }
  net.train();
  return static_cast<double>(ranks.sum(correct)) / static_cast<double>(test.size());
}

/// The learning rate increases for `warmup` steps, then decreases to zero along a cosine.
SequentialLR make_schedule(Optimizer& optimizer, std::int64_t warmup, std::int64_t steps) {
  warmup = std::clamp<std::int64_t>(warmup, 1, std::max<std::int64_t>(1, steps - 1));
  return {optimizer,
          {LinearLR(optimizer, {.start_factor = 0.1, .total_iters = warmup}),
           CosineAnnealingLR(optimizer, std::max<std::int64_t>(1, steps - warmup))},
          {warmup}};
}

/// The loader's state for any number of ranks: its batch size is that of all ranks together.
CheckpointPart loader_part(DataLoader& batches, const Ranks& ranks, bool distributed) {
  if (!distributed) {
    return {"loader", batches};
  }
  const auto with_size = [](StateDict state, const auto& change) {
    Tensor size = state.at("batch_size").clone();
    size.fill_(change(size.item<std::int64_t>()));
    state["batch_size"] = size;
    return state;
  };
  const std::int64_t k = ranks.size();
  return {
      "loader",
      [&batches, with_size, k] { return with_size(batches.state_dict(), [k](std::int64_t size) { return size * k; }); },
      [&batches, with_size, k](const StateDict& state) {
        batches.load_state_dict(with_size(state, [k](std::int64_t size) { return size / k; }));
      }};
}

/// Resuming with another number of ranks is possible, and said.
CheckpointPart ranks_part(const Ranks& ranks) {
  const auto state = [&ranks] { return StateDict{{"ranks", Tensor::empty({}, kFloat64).fill_(ranks.size())}}; };
  return {"ranks", state, [&ranks](const StateDict& saved) {
            const auto before = saved.at("ranks").item<std::int64_t>();
            if (before != ranks.size()) {
              log(LogLevel::warn, "the run was started with ", before, " ranks and continues with ", ranks.size(),
                  ": the images keep their order, but sums over ranks are rounded in other places, so the bits of "
                  "weights and metrics will differ");
            }
          }};
}

void train(const Options& options) {
  Ranks ranks(options.distributed);
  const bool first = ranks.is_first();  // the one that writes
  const fs::path checkpoint = options.out / "checkpoint.safetensors";
  std::optional<lab::FolderLock> lock;  // until the run ends
  std::optional<ErrorsToFile> rank_log;
  std::optional<ImageSplits> sets;
  const std::string source = options.data.empty() ? default_dataset() : options.data;
  ranks.prepare([&] {
    if (first) {
      lab::make_folder("--out", options.out);
      lock.emplace(options.out);
      lab::check_run_folder(options, checkpoint);
    }
    sets = open_dataset(source, {.train_limit = options.train_limit});
    const std::int64_t images = sets->train.size();
    require<ValueError>(options.batch_size % ranks.size() == 0 && options.batch_size / ranks.size() > 0,
                        "--batch-size: expected a multiple of the ", ranks.size(), " ranks but got ",
                        options.batch_size);
    require<ValueError>(images >= ranks.size(),
                        "--distributed: expected at least one training image for each "
                        "of the ",
                        ranks.size(), " ranks but got ", images);
  });
  const auto& [train_set, test_set] = *sets;
  const RunProperty data{data_fingerprint(train_set) + "; " + data_fingerprint(test_set)};
  ranks.check_same("build", lab::build_fingerprint());
  ranks.check_same("data", data_fingerprint(train_set) + "; " + data_fingerprint(test_set));

  manual_seed(options.seed);
  const std::shared_ptr<Sampler> sampler = ranks.sampler(train_set.size(), options.seed);
  DataLoader batches(train_set, {.batch_size = options.batch_size / ranks.size(),
                                 .shuffle = sampler == nullptr,
                                 .drop_last = true,
                                 .seed = options.seed,
                                 .sampler = sampler});
  Net net(train_set.image_shape(), train_set.num_classes());
  const DType dtype = options.dtype == "float64" ? kFloat64 : kFloat32;
  net.to(dtype);
  const DecaySplit split = decay_split(net);
  SGD optimizer(norm_aware_groups(
      split, SGDOptions{.lr = options.lr, .momentum = options.momentum, .weight_decay = options.weight_decay}));
  SequentialLR schedule = make_schedule(optimizer, options.warmup, options.epochs * batches.num_batches());
  std::int64_t step = 0;
  double loss_sum = 0.0;  // of the epoch
  double accuracy = 0.0;
  std::optional<CsvFile> csv;
  std::optional<JsonLinesFile> json;
  CheckpointParts run = {lab::options_part({{"epochs", static_cast<double>(options.epochs)},
                                            {"lr", options.lr},
                                            {"momentum", options.momentum},
                                            {"weight-decay", options.weight_decay},
                                            {"warmup", static_cast<double>(options.warmup)}}),
                         {"data", data},
                         {"model", net},
                         {"optimizer", optimizer},
                         {"schedule", schedule},
                         loader_part(batches, ranks, options.distributed),
                         {"step", step},
                         {"loss_sum", loss_sum},
                         {"accuracy", accuracy}};
  if (options.distributed) {
    run.push_back(ranks_part(ranks));
  }
  ranks.prepare([&] {
    if (first) {
      csv.emplace(options.out / "metrics.csv");
      json.emplace(options.out / "metrics.jsonl");
      run.push_back({"csv", *csv});
      run.push_back({"json", *json});
      if (options.resume) {
        lab::resume_run(options, checkpoint, run);
      }
      set_log_file(options.out / "train.log");  // from here on the command line is valid
    } else if (options.rank_logs) {
      rank_log.emplace(options.out / ("train.rank" + std::to_string(ranks.rank()) + ".log"));
    } else {
      set_log_level("warn");  // rank 0 reports
    }
  });
  ranks.attach(net);
  for (const char* part : {"optimizer", "schedule", "loader"}) {
    const auto it = std::find_if(run.begin(), run.end(), [&](const CheckpointPart& p) { return p.name() == part; });
    ranks.share([&] { return it->save(); }, [&](const StateDict& state) { it->load(state); });
  }
  step = ranks.sum(first ? step : 0);
  log(LogLevel::info, source, ": ", train_set.size(), " training and ", test_set.size(), " test images of ",
      train_set.image_shape(), options.resume ? "; continuing after step " + std::to_string(step) : std::string(),
      options.distributed ? "; " + std::to_string(ranks.size()) + " ranks" : std::string());

  lab::log_run_conditions();
  log(LogLevel::debug, split);

  while (batches.epoch() < options.epochs) {
    const std::int64_t epoch = batches.epoch() + 1;
    Progress bar("epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs), batches.num_batches(),
                 {.done = step - (epoch - 1) * batches.num_batches()});
    for (const auto& [images, labels] : batches) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(images.to(dtype)), labels);
      loss.backward();
      optimizer.step();
      schedule.step();
      const double mean_loss = ranks.mean(loss.item());
      loss_sum += mean_loss;
      bar.advance({{"loss", mean_loss}, {"lr", optimizer.lr()}});
      if (++step % options.checkpoint_every == 0 && first) {
        save_checkpoint(checkpoint, run);
      }
    }
    bar.finish();
    accuracy = test_accuracy(net, test_set, dtype, ranks);
    const Metrics row = {{"epoch", static_cast<double>(epoch)},
                         {"step", static_cast<double>(step)},
                         {"train_loss", loss_sum / static_cast<double>(batches.num_batches())},
                         {"test_accuracy", accuracy}};
    if (first) {
      csv->write(row);
      json->write(row);
    }
    log(LogLevel::info, "epoch ", epoch, ": training loss ", row[2].second, ", test accuracy ", accuracy);
    loss_sum = 0.0;
    if (first) {
      save_checkpoint(checkpoint, run);
    }
  }
  if (!first) {
    return;
  }
  save_safetensors(options.out / "model.safetensors", net, {{"format", "pt"}});
  std::cout << "test accuracy: " << accuracy << "\nwrote " << (options.out / "model.safetensors").string() << std::endl;
}

}  // namespace
}  // namespace train_mnist

int main(int argc, char** argv) {
  return lab::run_program("train_mnist", [&] {
    std::optional<train_mnist::Options> options;
    try {
      // An error in the command line is one of all ranks.
      const bool distributed = std::find(argv, argv + argc, std::string("--distributed")) != argv + argc;
      train_mnist::Ranks(distributed).prepare([&] { options = train_mnist::parse_options(argc, argv); });
      if (options) {
        train_mnist::train(*options);
      }
    } catch (const train_mnist::ErrorElsewhere&) {
      // mpirun ends all ranks as soon as one ends with an error, and rank 0 is to print its message first.
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      return 2;
    }
    return 0;
  });
}
