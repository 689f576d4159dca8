#include "lab/reproduce/experiment.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iomanip>
#include <sstream>

#include "lab/worker_pool.hpp"

namespace reproduce {

using namespace normgrad;

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> list = {
      {"mean-field", "Yang et al. 2019: how gradients grow through BatchNorm, and how deep that lets one train",
       mean_field},
      {"detach-norm", "Xu et al. 2019: LayerNorm without gradients through its statistics", detach_norm},
      {"learning-rate", "Bjorck et al. 2018: BatchNorm trains at learning rates that nothing else does", learning_rate},
      {"gn-batch-size", "Wu and He 2018: the error of BatchNorm and GroupNorm over the batch size", gn_batch_size},
      {"sync-bn", "Peng et al. 2018: BatchNorm over all ranks, per rank, and GroupNorm, with few images a rank",
       sync_bn},
      {"bn-figure1", "Ioffe and Szegedy 2015, Figure 1: BatchNorm on a sigmoid network", bn_figure1},
      {"lenet-fashion", "d2l.ai: LeNet with and without BatchNorm on Fashion-MNIST; recalibrated statistics",
       lenet_fashion},
      {"pre-post-ln", "Xiong et al. 2020: transformers with norms before their branches need no warm-up", pre_post_ln},
      {"deepnorm", "Wang et al. 2022: transformers of 100 layers train with DeepNorm", deepnorm},
      {"qk-norm", "Dehghani et al. 2023, Wortsman et al. 2023: a norm of queries and keys allows high learning rates",
       qk_norm},
      {"rmsnorm", "Zhang and Sennrich 2019: RMSNorm is as good as LayerNorm and takes less time", rmsnorm},
      {"dyt", "Zhu et al. 2025: a learned tanh replaces the norms of transformers, and not those of ConvNets", dyt},
      {"batch-renorm", "Ioffe 2017: BatchNorm and its correction with small and with non-iid batches", batch_renorm},
      {"ghost-batch", "Hoffer et al. 2017: large batches, normalized in small parts", ghost_batch},
      {"frn", "Singh and Krishnan 2020: filter response norm at all batch sizes", frn},
      {"ws-gn", "Qiao et al. 2019: with standardized weights GroupNorm matches BatchNorm, one image at a time", ws_gn},
      {"spectral", "Miyato et al. 2018: spectral norm bounds the Lipschitz constant and steadies a GAN", spectral}};
  return list;
}

std::vector<Numbers> compute(const Settings& settings, const std::string& name, std::size_t count,
                             const std::function<Numbers(std::size_t)>& task) {
  std::vector<Numbers> results(count);
  std::size_t done = 0;
  const bool terminal = isatty(STDERR_FILENO) == 1 && log_enabled(LogLevel::info);
  const auto show = [&] {
    if (terminal) {
      std::fprintf(stderr, "\r\033[K%s: %zu of %zu runs", name.c_str(), done, count);
    }
  };
  const lab::PoolEvents events = {.on_start = [&](std::size_t /*i*/) { show(); },
                                  .on_message =
                                      [&](std::size_t i, const std::string& bytes) {
                                        results[i].resize(bytes.size() / sizeof(double));
                                        std::memcpy(results[i].data(), bytes.data(), bytes.size());
                                      },
                                  .on_end =
                                      [&](std::size_t /*i*/) {
                                        ++done;
                                        show();
                                      }};
  const bool all = lab::run_in_processes(
      count, settings.jobs,
      [&](std::size_t i, lab::Channel& channel) {
        set_log_level("error");  // divergence is reported in the results
        const Numbers numbers = task(i);
        channel.send({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)});
      },
      [&](std::size_t i) { return name + ", run " + std::to_string(i + 1); }, events);
  if (terminal) {
    std::fputs("\r\033[K", stderr);
  }
  if (!all) {
    throw Interrupted{};
  }
  return results;
}

Sequential small_conv_net(const std::string& norm, const compare_norms::Data& data) {
  Sequential net;
  std::int64_t in = data.images.train.image_shape()[0];
  for (const std::int64_t out : {8, 16, 32}) {
    const std::string i = std::to_string(out);
    net.push_back("conv" + i, Conv2d(in, out, 3, {.padding = 1}));
    if (norm != "none") {
      net.push_back("norm" + i,
                    make_norm(norm == "group" ? "group:4" : norm, {.num_features = out, .spatial_dims = 2}));
    }
    if (norm != "frn") {
      net.push_back("relu" + i, ReLU());
    }
    if (out != 32) {
      net.push_back("pool" + i, MaxPool2d(2));
    }
    in = out;
  }
  net.push_back("mean", AdaptiveAvgPool2d(1));
  net.push_back("flatten", Flatten());
  net.push_back("out", Linear(32, data.num_classes));
  return net;
}

Sequential small_connected_net(const std::string& norm, const compare_norms::Data& data) {
  return small_connected_net(
      [&](std::int64_t features) { return AnyModule(make_norm(norm, {.num_features = features})); }, data);
}

Sequential small_connected_net(const NormMaker& make, const compare_norms::Data& data) {
  Sequential net;
  net.push_back("flatten", Flatten());
  for (std::int64_t k = 0; k < 2; ++k) {
    const std::string i = std::to_string(k);
    net.push_back("fc" + i, Linear(k == 0 ? data.images.train.image_shape().numel() : 100, 100));
    net.push_back("norm" + i, make(100));
    net.push_back("relu" + i, ReLU());
  }
  net.push_back("out", Linear(100, data.num_classes));
  return net;
}

compare_norms::Data few_images(const std::string& source, std::int64_t train, std::int64_t test) {
  compare_norms::Data data = compare_norms::open_data(source, train);
  data.images.test = data.images.test.first(std::min(test, data.images.test.size()));
  return data;
}

void train_steps(Sequential& net, Optimizer& optimizer, const ImageDataset& images, std::int64_t steps,
                 std::int64_t batch_size, std::uint64_t seed, const std::function<void(std::int64_t, double)>& after) {
  compare_norms::BatchStream batches(images, batch_size, seed);
  for (std::int64_t step = 1; step <= steps; ++step) {
    const Batch batch = batches.next();
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(net(batch.inputs), batch.labels);
    loss.backward();
    optimizer.step();
    const double value = loss.item();
    if (after) {
      after(step, value);
    }
    if (!std::isfinite(value)) {
      return;
    }
  }
}

void step_in_parts(Sequential& net, Optimizer& optimizer, const std::vector<Batch>& parts) {
  optimizer.zero_grad();
  for (const Batch& part : parts) {
    (cross_entropy(net(part.inputs), part.labels) / static_cast<double>(parts.size())).backward();
  }
  optimizer.step();
}

std::vector<Batch> parts_of(const Batch& batch, std::int64_t size) {
  std::vector<Batch> parts;
  for (std::int64_t begin = 0; begin < batch.labels.size(0); begin += size) {
    parts.push_back({batch.inputs.narrow(0, begin, size), batch.labels.narrow(0, begin, size)});
  }
  return parts;
}

double test_accuracy(Sequential& net, const ImageDataset& images) {
  net.eval();
  const double accuracy = compare_norms::score(net, images).accuracy;
  net.train();
  return accuracy;
}

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

std::string with_interval(const lab::Estimate& e, int digits) {
  return fixed(e.value, digits) + " (" + fixed(e.low, digits) + " to " + fixed(e.high, digits) + ")";
}

std::string points(const lab::Estimate& d) {
  return fixed(100.0 * d.value, 1) + " points (" + fixed(100.0 * d.low, 1) + " to " + fixed(100.0 * d.high, 1) + ", " +
         std::to_string(d.count) + " seeds)";
}

}  // namespace reproduce
