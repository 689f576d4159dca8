// A model of data parallel training on many machines: replays a step of DistributedDataParallel for any number of ranks
// over a network described by LogGP (docs/scaling.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lab {

/// A network in the LogGP model (Alexandrov, Ionescu, Schauser and Scheiman, "LogGP: Incorporating Long Messages into
/// the LogP Model", 1995), with the agreement of sender and receiver on a long message (LogGPS: Ino, Fujimoto and
/// Hagihara, 2001). Times in seconds.
struct Network {
  std::string name;
  double latency = 0;         ///< L: from the end of sending a short message to the begin of its receipt
  double long_latency = 0;    ///< of a message of more than long_bytes, whose receiver agrees first; at least L
  double long_bytes = 65536;  ///< S; Open MPI's over TCP
  double overhead = 0;        ///< o: processor time to send or to receive a message
  double gap = 0;             ///< g: least time between two messages of a rank
  double byte_gap = 0;        ///< G: time per byte of a long message, while another one arrives at the same speed
  bool offloaded = true;      ///< the network moves the bytes; false: the processors do
  bool shared = false;        ///< ranks read each other's memory: ProcessGroup::shares_memory()
};

/// Ethernet of 10 and of 100 Gbit/s over TCP, and InfiniBand EDR, with typical figures.
const std::vector<Network>& typical_networks();

/// A gradient, complete `ready` seconds after the start of the backward.
struct ReadyGradient {
  double ready = 0;
  std::int64_t bytes = 0;
};

/// A training step of one rank, as measured without communication. Times in seconds.
struct StepProfile {
  double forward = 0;
  double backward = 0;
  double optimizer = 0;
  std::vector<ReadyGradient> gradients;  ///< in the order in which buckets take them: from the last parameter on
  std::int64_t buffer_bytes = 0;         ///< running statistics, which rank 0 gives to all
  double call = 0;                       ///< processor time of a collective call besides its messages
  double copy = 0;                       ///< processor time to copy a byte of a gradient into its bucket
  double reduce = 0;                     ///< processor time to add a byte of another rank

  double compute() const { return forward + backward + optimizer; }
  std::int64_t gradient_bytes() const;
};

/// Times of a bucket, in seconds after the start of the backward.
struct PredictedBucket {
  std::int64_t bytes = 0;
  double started = 0;
  double finished = 0;
};

struct PredictedStep {
  double seconds = 0;
  std::vector<PredictedBucket> buckets;
};

/// Replays a step on `ranks` equal ranks. A call advances only while its rank polls: whenever a gradient is complete,
/// and at the end of the backward. Throws ValueError unless ranks > 0 and bucket_cap > 0 (bytes).
PredictedStep predict_step(const StepProfile& profile, const Network& network, int ranks, double bucket_cap);

}  // namespace lab
