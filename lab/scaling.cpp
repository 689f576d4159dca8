#include "lab/scaling.hpp"

#include <algorithm>
#include <numeric>

#include "normgrad/normgrad.hpp"

namespace lab {

namespace {

// As in dist/detail/exchange.hpp: shorter ones go to all ranks at once.
constexpr double kDirectBytes = 8192;

// One of the equal ranks.
class Rank {
 public:
  Rank(const StepProfile& profile, const Network& network, int ranks)
      : profile_(profile), network_(network), ranks_(ranks) {}

  double now = 0;

  /// Starts an all_reduce of so many bytes; returns its number.
  std::size_t start(double bytes) {
    const bool direct = ranks_ == 1 || bytes <= kDirectBytes || (network_.shared && ranks_ == 2);
    calls_.push_back({.bytes = bytes, .phases = direct ? 1 : 2});
    now += profile_.call;
    post(calls_.back());
    return calls_.size() - 1;
  }

  /// Advances the calls whose messages have arrived.
  void poll() {
    for (Call& call : calls_) {
      while (!call.done && call.arrival <= now) {
        advance(call);
      }
    }
  }

  /// Returns the time at which the call is done.
  double wait(std::size_t number) {
    while (!calls_[number].done) {
      double next = calls_[number].arrival;
      for (const Call& call : calls_) {
        next = call.done ? next : std::min(next, call.arrival);
      }
      now = std::max(now, next);
      poll();
    }
    return calls_[number].finished;
  }

  /// Rank 0 sends to all others; the time at which the last one has it.
  void broadcast(double bytes) {
    if (ranks_ == 1 || bytes == 0) {
      return;
    }
    now += profile_.call + 2 * profile_.copy * bytes + network_.latency + network_.overhead +
           others() * std::max({network_.overhead, network_.gap, bytes * network_.byte_gap});
  }

 private:
  struct Call {
    double bytes = 0;
    int phases = 1;
    int phase = 0;
    double arrival = 0;
    double finished = 0;
    bool done = false;
  };

  double others() const { return ranks_ - 1; }
  double latency(const Call& call) const {
    return message(call) > network_.long_bytes ? std::max(network_.latency, network_.long_latency) : network_.latency;
  }
  double message(const Call& call) const { return call.phases == 1 ? call.bytes : call.bytes / ranks_; }

  // A message to and one from each other rank.
  void post(Call& call) {
    now += 2 * network_.overhead * others();
    call.arrival = now;
    if (ranks_ == 1) {
      return;
    }
    call.arrival += latency(call);
    if (network_.offloaded) {
      link_free_ = std::max(link_free_, now) + others() * std::max(network_.gap, message(call) * network_.byte_gap);
      call.arrival = link_free_ + latency(call);
    }
  }

  void advance(Call& call) {
    if (!network_.offloaded) {
      now += others() * message(call) * network_.byte_gap;
    }
    if (call.phase == 0) {
      now += profile_.reduce * message(call) * others();
    }
    if (++call.phase < call.phases) {
      post(call);
    } else {
      call.done = true;
      call.finished = now;
    }
  }

  const StepProfile& profile_;
  const Network& network_;
  int ranks_;
  double link_free_ = 0;
  std::vector<Call> calls_;
};

}  // namespace

std::int64_t StepProfile::gradient_bytes() const {
  return std::accumulate(gradients.begin(), gradients.end(), std::int64_t{0},
                         [](std::int64_t sum, const ReadyGradient& gradient) { return sum + gradient.bytes; });
}

const std::vector<Network>& typical_networks() {
  // A long message is preceded by a request and an answer.
  static const std::vector<Network> networks = {{.name = "Ethernet 10 Gbit/s",
                                                 .latency = 25e-6,
                                                 .long_latency = 75e-6,
                                                 .overhead = 4e-6,
                                                 .gap = 4e-6,
                                                 .byte_gap = 0.87e-9},
                                                {.name = "Ethernet 100 Gbit/s",
                                                 .latency = 12e-6,
                                                 .long_latency = 36e-6,
                                                 .overhead = 3e-6,
                                                 .gap = 3e-6,
                                                 .byte_gap = 0.11e-9},
                                                {.name = "InfiniBand EDR",
                                                 .latency = 1.2e-6,
                                                 .long_latency = 3.6e-6,
                                                 .overhead = 0.4e-6,
                                                 .gap = 0.4e-6,
                                                 .byte_gap = 0.086e-9}};
  return networks;
}

PredictedStep predict_step(const StepProfile& profile, const Network& network, int ranks, double bucket_cap) {
  normgrad::require<normgrad::ValueError>(ranks > 0 && bucket_cap > 0.0,
                                          "predict_step: expected ranks > 0 and bucket_cap > 0 but got ", ranks,
                                          " and ", bucket_cap);
  Rank rank(profile, network, ranks);
  PredictedStep result;
  rank.now = profile.forward;
  const std::size_t status =
      rank.start(8.0 * static_cast<double>(profile.gradients.size() + static_cast<std::size_t>(ranks)));
  std::vector<std::size_t> calls;
  double bytes = 0;
  double computed = 0;
  for (std::size_t i = 0; i < profile.gradients.size(); ++i) {
    const ReadyGradient& gradient = profile.gradients[i];
    rank.now += std::max(0.0, gradient.ready - computed);
    computed = std::max(computed, gradient.ready);
    bytes += static_cast<double>(gradient.bytes);
    const bool full =
        i + 1 == profile.gradients.size() || bytes + static_cast<double>(profile.gradients[i + 1].bytes) > bucket_cap;
    if (full) {
      rank.now += profile.copy * bytes;
      result.buckets.push_back({static_cast<std::int64_t>(bytes), rank.now - profile.forward, 0.0});
      calls.push_back(rank.start(bytes));
      bytes = 0;
    }
    rank.poll();
  }
  rank.now += std::max(0.0, profile.backward - computed);
  rank.wait(status);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    result.buckets[i].finished = rank.wait(calls[i]) - profile.forward;
  }
  rank.broadcast(static_cast<double>(profile.buffer_bytes));
  result.seconds = rank.now + profile.optimizer;
  return result;
}

}  // namespace lab
