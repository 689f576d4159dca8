// Training steps over ranks: measured, and predicted by the model of lab/scaling.hpp (docs/scaling.md).
//
//   build/bench/bench_scaling [--models cnn,resnet,mlp] [--batch 32] [--steps 30] [--bucket-mb 1] [--quantile 0.5]
//   mpirun -n 2 build/bench/bench_scaling [--rounds 5] [--trace FOLDER] ...
//
// One rank: the step of one process, and the steps of 2 to 1024 ranks predicted for three networks. Several ranks on
// one machine: in each round the network is measured by messages between pairs of ranks and by reductions of all, the
// computation by steps of all ranks at the same time without communication, and the prediction made of these is printed
// beside the measured step, and beside that of one rank alone (weak scaling).
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>
#include <CLI/CLI.hpp>

#include "bench/scaling/machine.hpp"
#include "lab/compare_norms/models.hpp"
#include "lab/figure.hpp"
#include "lab/files.hpp"
#include "lab/scaling.hpp"
#include "lab/statistics.hpp"
#include "normgrad/dist.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;
using namespace scaling;

struct Arguments {
  std::vector<std::string> models = {"cnn", "resnet", "mlp"};
  std::int64_t batch = 32;
  std::int64_t steps = 30;
  std::int64_t rounds = 5;
  double bucket_mb = 1.0;
  int processors = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));  // of the machine: mpirun binds a rank to one
  std::string trace;
};

/// A model with its data, and its steps.
class Trainer {
 public:
  Trainer(const std::string& model, std::int64_t batch)
      : model_(compare_norms::make_model({.model = model, .norm = "batch", .image_shape = {1, 28, 28}})),
        optimizer_(model_.parameters(), {.lr = 0.01, .momentum = 0.9}),
        images_(randn({batch, 1, 28, 28})),
        labels_(randint(0, 10, {batch})) {}

  Sequential& model() { return model_; }

  struct Times {
    double forward = 0;
    double backward = 0;
    double optimizer = 0;
  };
  Times step() {
    const double start = now();
    optimizer_.zero_grad();
    const Tensor loss = cross_entropy(model_(images_), labels_);
    const double loss_there = now();
    loss.backward();
    const double gradients_there = now();
    optimizer_.step();
    return {loss_there - start, gradients_there - loss_there, now() - gradients_there};
  }

 private:
  Sequential model_;
  SGD optimizer_;
  Tensor images_;
  Tensor labels_;
};

/// Of the largest bucket, about.
std::int64_t bucket_bytes(std::int64_t gradient_bytes, const Arguments& arguments) {
  return std::min(gradient_bytes, static_cast<std::int64_t>(arguments.bucket_mb * 1024 * 1024));
}

/// The step of this process alone in `own`, a group of one. All ranks measure at the same time.
lab::StepProfile measured_profile(const std::string& name, const Arguments& arguments, const ProcessGroup& own) {
  lab::StepProfile profile;
  std::vector<double> forward;
  std::vector<double> backward;
  std::vector<double> optimizer;
  {
    Trainer plain(name, arguments.batch);
    typical_time(arguments.steps, [&] {
      const Trainer::Times times = plain.step();
      forward.push_back(times.forward);
      backward.push_back(times.backward);
      optimizer.push_back(times.optimizer);
    });
    for (const Tensor& buffer : plain.model().buffers()) {
      profile.buffer_bytes += buffer.numel() * static_cast<std::int64_t>(dtype_size(buffer.dtype()));
    }
  }
  profile.forward = typical(forward);
  profile.backward = typical(backward);
  profile.optimizer = typical(optimizer);
  // A bucket for each gradient, for their times.
  Trainer trainer(name, arguments.batch);
  DistributedDataParallel ddp(trainer.model(), {.bucket_cap_mb = 1e-6}, own);
  std::vector<std::vector<double>> ready;
  typical_time(arguments.steps, [&] {
    trainer.step();
    ready.resize(ddp.trace().buckets.size());
    for (std::size_t i = 0; i < ready.size(); ++i) {
      ready[i].push_back(ddp.trace().buckets[i].started / ddp.trace().computed);
    }
  });
  for (std::size_t i = 0; i < ready.size(); ++i) {
    profile.gradients.push_back({profile.backward * typical(ready[i]), ddp.trace().buckets[i].elements * 4});
  }
  const std::int64_t bytes = bucket_bytes(profile.gradient_bytes(), arguments);
  profile.call = short_call_time(own);
  profile.reduce = reduction_time(own, bytes);
  profile.copy = copy_time(bytes);
  return profile;
}

/// The typical time from the first rank's start of a step without communication to the last rank's end: ranks differ by
/// chance, take turns if they share a processor, and disturb each other's caches.
double step_of_all(const ProcessGroup& group, Trainer& trainer, std::int64_t steps) {
  std::vector<double> times;
  for (std::int64_t i = 0; i < steps; ++i) {
    group.barrier();
    const double start = now();
    trainer.step();
    const Tensor ends = tensor({start, -now()}, {.dtype = kFloat64});
    const std::vector<double> all = group.all_reduce(ends, ReduceOp::min).to_vector<double>();
    times.push_back(-all[1] - all[0]);
  }
  return typical(times);
}

void print_time(const std::string& what, double seconds) {
  std::cout << "  " << what << ": " << std::fixed << std::setprecision(3) << 1e3 * seconds << " ms\n";
}

void one_rank(const std::string& name, const Arguments& arguments, const ProcessGroup& group) {
  const lab::StepProfile profile = measured_profile(name, arguments, group);
  std::cout << name << ", batch " << arguments.batch << ", " << profile.gradient_bytes() << " bytes of gradients\n";
  print_time("step", profile.compute());
  print_time("of it the backward", profile.backward);
  double before = 0;
  for (const lab::PredictedBucket& bucket :
       lab::predict_step(profile, {}, 1, arguments.bucket_mb * 1024 * 1024).buckets) {
    print_time("bucket of " + std::to_string(bucket.bytes) + " bytes, computed in", bucket.started - before);
    before = bucket.started;
  }
  std::cout << "\n| ranks |";
  for (const lab::Network& network : lab::typical_networks()) {
    std::cout << " " << network.name << " |";
  }
  std::cout << "\n|---|---|---|---|\n";
  for (int ranks = 2; ranks <= 1024; ranks *= 2) {
    std::cout << "| " << ranks << " |";
    for (const lab::Network& network : lab::typical_networks()) {
      const double seconds = lab::predict_step(profile, network, ranks, arguments.bucket_mb * 1024 * 1024).seconds;
      std::cout << " " << std::setprecision(2) << 1e3 * seconds << " ms, " << std::setprecision(0)
                << 100 * profile.compute() / seconds << " % |";
    }
    std::cout << "\n";
  }
  std::cout << std::endl;
}

/// What one round measures of a model.
struct Round {
  double one_rank = 0;   ///< a step of one rank, while the others sleep
  double unlinked = 0;   ///< a step of all ranks without communication
  double predicted = 0;  ///< a step of all ranks
  double measured = 0;
};

double plain_step(const std::string& name, const Arguments& arguments) {
  Trainer trainer(name, arguments.batch);
  return typical_time(arguments.steps, [&] { trainer.step(); });
}

/// The profile of a rank, from ranks with a processor each, with the times that all ranks need together. Empty on a
/// rank without a processor of its own.
lab::StepProfile profile_of_all(const std::string& name, const Arguments& arguments, const ProcessGroup& group,
                                int processors, double turns) {
  lab::StepProfile profile;
  const ProcessGroup own = group.split(group.rank());
  if (group.rank() < processors) {
    profile = measured_profile(name, arguments, own);
  }
  group.barrier();  // in which the others have slept
  Trainer trainer(name, arguments.batch);
  const double together = step_of_all(group, trainer, arguments.steps);
  if (group.rank() >= processors) {
    return profile;
  }
  const double slower = together / profile.compute();
  for (double* part : {&profile.forward, &profile.backward, &profile.optimizer}) {
    *part *= slower;
  }
  for (lab::ReadyGradient& gradient : profile.gradients) {
    gradient.ready *= slower;
  }
  for (double* part : {&profile.call, &profile.copy, &profile.reduce}) {
    *part *= turns;
  }
  return profile;
}

/// The backward and the buckets of the last step, as a chart of intervals.
lab::Chart trace_chart(const std::string& name, int ranks, const BackwardTrace& trace) {
  lab::Chart chart{.title = name + ", " + std::to_string(ranks) + " ranks",
                   .x_label = "ms after the start of the backward",
                   .y_label = "0: backward; then buckets",
                   .y_low = -0.5,
                   .y_high = static_cast<double>(trace.buckets.size()) + 0.5};
  chart.series.push_back({.name = "backward of this rank", .x = {0, 1e3 * trace.computed}, .y = {0, 0}});
  double row = 0;
  for (const BucketTimes& bucket : trace.buckets) {
    row += 1;
    chart.series.push_back({.name = std::to_string((bucket.elements * 4 + 1023) / 1024) + " KiB",
                            .x = {1e3 * bucket.started, 1e3 * bucket.finished},
                            .y = {row, row}});
  }
  return chart;
}

void several_ranks(const std::string& name, const Arguments& arguments, const ProcessGroup& group,
                   std::vector<lab::Chart>& charts) {
  const int processors = std::min(arguments.processors, group.size());
  const double turns = static_cast<double>(group.size()) / processors;
  Trainer trainer(name, arguments.batch);
  DistributedDataParallel ddp(trainer.model(), {.bucket_cap_mb = arguments.bucket_mb}, group);
  std::int64_t gradient_bytes = 0;
  for (const Tensor& parameter : trainer.model().parameters()) {
    gradient_bytes += parameter.numel() * static_cast<std::int64_t>(sizeof(float));
  }
  std::vector<Round> rounds;
  lab::StepProfile profile;
  lab::Network network;
  // A machine's speed changes within seconds, so each round measures everything. A rank in a barrier sleeps.
  for (std::int64_t i = 0; i < arguments.rounds; ++i) {
    Round round;
    group.barrier();
    if (group.rank() == 0) {
      round.one_rank = plain_step(name, arguments);
    }
    group.barrier();
    network = measured_network(group, bucket_bytes(gradient_bytes, arguments), turns);
    profile = profile_of_all(name, arguments, group, processors, turns);
    if (group.rank() == 0) {
      round.unlinked = profile.compute();
      round.predicted = lab::predict_step(profile, network, group.size(), arguments.bucket_mb * 1024 * 1024).seconds;
    }
    group.barrier();
    round.measured = typical_time(arguments.steps, [&] { trainer.step(); });
    rounds.push_back(round);
  }
  if (group.rank() != 0) {
    return;
  }
  const auto median = [&](const std::function<double(const Round&)>& of) {
    std::vector<double> values;
    std::transform(rounds.begin(), rounds.end(), std::back_inserter(values), of);
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  const double images = static_cast<double>(arguments.batch);
  std::cout << name << ", batch " << arguments.batch << " on each of " << group.size() << " ranks, " << processors
            << (processors == 1 ? " processor" : " processors") << ", medians of " << rounds.size() << " rounds\n";
  print_time("step of one rank, the others idle", median([](const Round& r) { return r.one_rank; }));
  print_time("step of all ranks without communication", median([](const Round& r) { return r.unlinked; }));
  print_time("step, predicted", median([](const Round& r) { return r.predicted; }));
  print_time("step, measured", median([](const Round& r) { return r.measured; }));
  std::cout << "  predicted / measured: " << std::setprecision(2)
            << median([](const Round& r) { return r.predicted / r.measured; }) << "; by round:";
  for (const Round& round : rounds) {
    std::cout << " " << round.predicted / round.measured;
  }
  const double linked = static_cast<double>(group.size());
  std::cout << "\n  images per second: " << std::setprecision(0)
            << median([&](const Round& r) { return images * linked / r.measured; }) << ", by one rank "
            << median([&](const Round& r) { return images / r.one_rank; }) << std::setprecision(2)
            << "\n  of the speed of one rank times " << group.size() << ": "
            << median([](const Round& r) { return r.one_rank / r.measured; }) << "; without communication, times "
            << group.size() << ": " << median([](const Round& r) { return r.one_rank / r.unlinked; }) << "\n"
            << "  L " << 1e6 * network.latency << " us, of long messages " << 1e6 * network.long_latency << " us, o "
            << 1e6 * network.overhead << " us, G " << 1e9 * network.byte_gap << " ns/byte; a call "
            << 1e6 * profile.call << " us, copy " << 1e9 * profile.copy << " ns/byte, reduce " << 1e9 * profile.reduce
            << " ns/byte\n";
  for (const BucketTimes& bucket : ddp.trace().buckets) {
    std::cout << "  bucket of " << bucket.elements * 4 << " bytes: from " << 1e3 * bucket.started << " to "
              << 1e3 * bucket.finished << " ms; all computed at " << 1e3 * ddp.trace().computed << " ms\n";
  }
  std::cout << std::endl;
  charts.push_back(trace_chart(name, group.size(), ddp.trace()));
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("bench_scaling", [&] {
    Arguments arguments;
    CLI::App app("Training steps over ranks: measured, and predicted by a model of the network", "bench_scaling");
    app.add_option("--models", arguments.models, "Of compare_norms")->delimiter(',')->capture_default_str();
    app.add_option("--batch", arguments.batch, "Images per rank")->capture_default_str()->check(CLI::Range(2, 4096));
    app.add_option("--steps", arguments.steps, "Steps to measure")->capture_default_str()->check(CLI::Range(3, 100000));
    app.add_option("--quantile", quantile, "Of repeated times, the one that counts; small on a machine that others use")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--bucket-mb", arguments.bucket_mb, "Size of a bucket in MiB")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--rounds", arguments.rounds, "Rounds of measurements, of which the median counts")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option("--processors", arguments.processors, "Processors that the ranks share")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    app.add_option("--trace", arguments.trace, "Folder for overlap.svg, a picture of the last backward of each model");
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      std::cout << app.help();
      return 0;
    } catch (const CLI::ParseError& error) {
      throw ValueError(std::string(error.what()) + " (see --help)");
    }
    set_num_threads(1);
    manual_seed(1);
    const ProcessGroup group = ProcessGroup::world();
    std::vector<lab::Chart> charts;
    for (const std::string& name : arguments.models) {
      compare_norms::check_model_name(name);
      group.size() == 1 ? one_rank(name, arguments, group) : several_ranks(name, arguments, group, charts);
    }
    if (!arguments.trace.empty() && !charts.empty()) {
      lab::make_folder("--trace", arguments.trace);
      lab::draw_figure(charts, arguments.trace, "overlap");
    }
    return 0;
  });
}
