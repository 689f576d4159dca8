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

/// Long buffers are used in turn, so that they have left the inner caches when their turn comes, as in a step.
constexpr std::size_t kLong = std::size_t{1} << 20;
constexpr std::size_t kLongBuffers = 8;

/// Messages of so many bytes in both directions between this rank and its partner, all pairs at the same time.
double exchange_time(int partner, std::size_t bytes, int times) {
  std::vector<std::vector<char>> buffers(2 * kLongBuffers, std::vector<char>(bytes));
  std::size_t turn = 0;
  return typical_time(times, [&] {
    std::vector<char>& in = buffers[turn++ % buffers.size()];
    std::vector<char>& out = buffers[turn++ % buffers.size()];
    std::array<MPI_Request, 2> requests{};
    MPI_Irecv(in.data(), static_cast<int>(bytes), MPI_BYTE, partner, 0, MPI_COMM_WORLD, requests.data());
    MPI_Isend(out.data(), static_cast<int>(bytes), MPI_BYTE, partner, 0, MPI_COMM_WORLD, &requests[1]);
    MPI_Waitall(2, requests.data(), MPI_STATUSES_IGNORE);
  });
}

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

/// 1 MiB of floats in turn, so that they have left the inner caches when their turn comes, as in a step.
class LongTensors {
 public:
  LongTensors() {
    for (std::size_t i = 0; i < kLongBuffers; ++i) {
      tensors_.push_back(randn({static_cast<std::int64_t>(kLong / sizeof(float))}));
    }
  }
  Tensor& next() { return tensors_[turn_++ % kLongBuffers]; }

 private:
  std::vector<Tensor> tensors_;
  std::size_t turn_ = 0;
};

}  // namespace

double reduction_time(const ProcessGroup& group) {
  LongTensors tensors;
  return typical_time(30, [&] { group.all_reduce_async(tensors.next()).wait(); }) / static_cast<double>(kLong);
}

double copy_time() {
  LongTensors tensors;
  return typical_time(20, [&] { tensors.next().copy_(tensors.next()); }) / static_cast<double>(kLong);
}

lab::Network measured_network(const ProcessGroup& group) {
  lab::Network network{.name = "this machine", .offloaded = false, .shared = group.shares_memory()};
  const int partner = group.rank() ^ 1;
  const ProcessGroup alone = group.split(group.rank());
  const ProcessGroup pair = group.split(group.rank() / 2);
  if (partner < group.size()) {
    network.overhead = message_overhead(partner);
    network.latency = std::max(0.0, exchange_time(partner, 1, 100) - 2 * network.overhead);
    network.byte_gap = network.shared ? std::max(0.0, reduction_time(pair) - reduction_time(alone) - copy_time())
                                      : exchange_time(partner, kLong, 30) / static_cast<double>(kLong);
  }
  // The mean over the ranks.
  Tensor all = Tensor::empty({3}, kFloat64);
  double* values = all.mutable_data<double>();
  values[0] = network.overhead;
  values[1] = network.latency;
  values[2] = network.byte_gap;
  const std::vector<double> mean = group.all_reduce(all, ReduceOp::mean).to_vector<double>();
  network.overhead = mean[0];
  network.latency = mean[1];
  network.byte_gap = mean[2];
  return network;
}

}  // namespace scaling
