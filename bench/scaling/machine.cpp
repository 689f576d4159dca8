#include "bench/scaling/machine.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

#include "normgrad/normgrad.hpp"

namespace scaling {

using namespace normgrad;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double typical(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[static_cast<std::size_t>(quantile * static_cast<double>(seconds.size() - 1))];
}

double typical_time(std::int64_t times, const std::function<void()>& part) {
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < times + 2; ++i) {
    const double start = now();
    part();
    if (i >= 2) {
      seconds.push_back(now() - start);
    }
  }
  return typical(seconds);
}

namespace {

/// The time of starting to receive and to send a short message, per message.
double message_overhead(int partner) {
  constexpr int kMessages = 50;
  char out = 0;
  std::array<char, kMessages> in{};
  std::vector<MPI_Request> requests(2 * kMessages);
  return typical_time(20,
                      [&] {
                        for (std::size_t i = 0; i < kMessages; ++i) {
                          MPI_Irecv(&in[i], 1, MPI_BYTE, partner, 1, MPI_COMM_WORLD, &requests[2 * i]);
                          MPI_Isend(&out, 1, MPI_BYTE, partner, 1, MPI_COMM_WORLD, &requests[2 * i + 1]);
                        }
                        MPI_Waitall(2 * kMessages, requests.data(), MPI_STATUSES_IGNORE);
                      }) /
         (2.0 * kMessages);
}

/// Tensors of so many bytes in turn, as many as a step has of a bucket: parameters, gradients, momentum, and the sum.
class StepTensors {
 public:
  explicit StepTensors(std::int64_t bytes) {
    for (Tensor& tensor : tensors_) {
      tensor = randn({bytes / static_cast<std::int64_t>(sizeof(float))});
    }
  }
  Tensor& next() { return tensors_[turn_++ % tensors_.size()]; }

 private:
  std::array<Tensor, 4> tensors_;
  std::size_t turn_ = 0;
};

/// The time of a reduction as a line over its bytes.
struct Line {
  double constant = 0;
  double per_byte = 0;
};

Line reduction_line(const ProcessGroup& group, std::int64_t bytes) {
  const auto time_of = [&](std::int64_t length) {
    StepTensors tensors(length);
    return typical_time(30, [&] { group.all_reduce_async(tensors.next()).wait(); });
  };
  const std::int64_t fewer = bytes / 4;
  const double shorter = time_of(fewer);
  const double per_byte = std::max(0.0, time_of(bytes) - shorter) / static_cast<double>(bytes - fewer);
  return {std::max(0.0, shorter - per_byte * static_cast<double>(fewer)), per_byte};
}

}  // namespace

double reduction_time(const ProcessGroup& group, std::int64_t bytes) { return reduction_line(group, bytes).per_byte; }

double copy_time(std::int64_t bytes) {
  StepTensors tensors(bytes);
  return typical_time(20, [&] { tensors.next().copy_(tensors.next()); }) / static_cast<double>(bytes);
}

double short_call_time(const ProcessGroup& group) {
  const Tensor number = zeros({1});
  return typical_time(200, [&] { group.all_reduce_async(number).wait(); });
}

lab::Network measured_network(const ProcessGroup& group, std::int64_t bytes, double turns) {
  lab::Network network{.name = "this machine", .offloaded = false, .shared = group.shares_memory()};
  const int partner = group.rank() ^ 1;
  const ProcessGroup alone = group.split(group.rank());
  const double others = group.size() - 1;
  if (partner < group.size()) {
    network.overhead = message_overhead(partner);
  }
  const double call = turns * short_call_time(alone);
  network.latency = std::max(0.0, short_call_time(group) - call - 2 * network.overhead * others);
  // What remains of a reduction without its calls and sums, in its phases (lab/scaling.cpp).
  const bool one_phase = network.shared && group.size() == 2;
  const double phases = one_phase ? 1 : 2;
  const double part = one_phase ? 1.0 : 1.0 / group.size();  // of the bytes, in a message
  const Line line = reduction_line(group, bytes);
  const double sums = turns * reduction_time(alone, bytes) * part * others;
  const double copies = network.shared ? turns * copy_time(bytes) : 0.0;  // into shared memory
  network.byte_gap = std::max(0.0, line.per_byte - sums - copies) / (phases * part * others);
  network.long_latency = std::max(0.0, (line.constant - call) / phases - 2 * network.overhead * others);
  network.long_bytes = network.shared ? 8192 : 65536;
  // The mean over the ranks.
  std::array<double*, 4> values{&network.overhead, &network.latency, &network.long_latency, &network.byte_gap};
  for (double* value : values) {
    *value = group.all_reduce(full({1}, *value, {.dtype = kFloat64}), ReduceOp::mean).item<double>();
  }
  return network;
}

}  // namespace scaling
