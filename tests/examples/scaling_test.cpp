#include "lab/scaling.hpp"

#include <gtest/gtest.h>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using lab::Network;
using lab::predict_step;
using lab::StepProfile;

constexpr double kTiny = 1e-12;

StepProfile two_gradients() {
  StepProfile profile;
  profile.forward = 1.0;
  profile.backward = 2.0;
  profile.optimizer = 0.5;
  profile.gradients = {{0.5, 1'000'000}, {2.0, 3'000'000}};
  return profile;
}

Network network_of(double latency, double overhead, double gap, double byte_gap, bool offloaded = true) {
  return {
      .name = "", .latency = latency, .overhead = overhead, .gap = gap, .byte_gap = byte_gap, .offloaded = offloaded};
}

TEST(PredictStep, IsTheComputationOfOneRank) {
  for (const bool offloaded : {true, false}) {
    EXPECT_NEAR(predict_step(two_gradients(), network_of(1, 1, 1, 1, offloaded), 1, 1e9).seconds, 3.5, kTiny);
  }
}

// One bucket, complete at the end of the backward: two phases of 1 MB messages to and from each of three others.
TEST(PredictStep, CountsTheMessagesOfOneBucket) {
  const auto step = predict_step(two_gradients(), network_of(1e-3, 1e-4, 2e-4, 1e-8), 4, 1e9);
  ASSERT_EQ(step.buckets.size(), 1U);
  EXPECT_EQ(step.buckets[0].bytes, 4'000'000);
  // The status: six messages of 48 bytes, sent before the backward, in the background but for its overhead.
  const double overhead = 3 * 2 * 1e-4;
  EXPECT_NEAR(step.buckets[0].started, overhead + 2.0, kTiny);
  const double phase = overhead + 3 * 1e6 * 1e-8 + 1e-3;
  EXPECT_NEAR(step.buckets[0].finished, overhead + 2.0 + 2 * phase, kTiny);
  EXPECT_NEAR(step.seconds, 1.0 + overhead + 2.0 + 2 * phase + 0.5, kTiny);
}

TEST(PredictStep, OverlapsWithTheBackwardIfTheNetworkMovesTheBytes) {
  Network network = network_of(0, 0, 0, 1e-8);
  StepProfile profile = two_gradients();
  profile.gradients = {{0.5, 1'000'000}, {1.0, 1'000'000}, {2.0, 1'000'000}};
  const auto of = [&](double cap) { return predict_step(profile, network, 2, cap); };
  // The first bucket is sent at 0.5, reduced when the next gradient is complete, and there before the end.
  ASSERT_EQ(of(1e6).buckets.size(), 3U);
  EXPECT_NEAR(of(1e6).buckets[0].started, 0.5, kTiny);
  EXPECT_NEAR(of(1e6).buckets[0].finished, 2.0, kTiny);
  // At the end, half of the second one and both halves of the third are still to be sent.
  EXPECT_NEAR(of(1e6).seconds, 3.5 + 3 * 0.5e6 * 1e-8, kTiny);
  EXPECT_NEAR(of(1e9).seconds, 3.5 + 2 * 1.5e6 * 1e-8, kTiny);
  network.offloaded = false;
  const double status = 8 * 5 * 1e-8;
  EXPECT_NEAR(of(1e6).seconds, 3.5 + 2 * 1.5e6 * 1e-8 + status, kTiny);
  EXPECT_NEAR(of(1e9).seconds, of(1e6).seconds, kTiny);
}

TEST(PredictStep, AddsWhatTheProcessorDoes) {
  StepProfile profile = two_gradients();
  profile.copy = 1e-9;
  profile.reduce = 2e-9;
  profile.call = 1e-3;
  profile.buffer_bytes = 1000;
  const double link = 2 * 2e6 * 1e-8;
  const double calls = 1e-3 * 3;  // status, bucket, buffers
  const double status = 2e-9 * 8 * 4;
  const double copies = 4e6 * 1e-9;
  const double reduction = 2e6 * 2e-9;
  const double buffers = 2 * 1000 * 1e-9 + 1000 * 1e-8;
  EXPECT_NEAR(predict_step(profile, network_of(0, 0, 0, 1e-8), 2, 1e9).seconds,
              3.5 + link + calls + status + copies + reduction + buffers, kTiny);
}

TEST(PredictStep, TwoRanksThatShareMemoryReduceInOnePhase) {
  StepProfile profile = two_gradients();
  profile.reduce = 2e-9;
  Network network = network_of(1e-3, 0, 0, 1e-8, false);
  const auto seconds = [&](int ranks, bool shared) {
    network.shared = shared;
    return predict_step(profile, network, ranks, 1e9).seconds;
  };
  // One latency less, and each rank adds all 4 MB instead of half of them.
  EXPECT_NEAR(seconds(2, true), seconds(2, false) - 1e-3 + 2e6 * 2e-9, kTiny);
  EXPECT_NEAR(seconds(4, true), seconds(4, false), kTiny);
}

// Messages of 1 MB in two phases.
TEST(PredictStep, AgreesOnLongMessagesFirst) {
  Network network = network_of(1e-3, 0, 0, 1e-8);
  const auto seconds = [&] { return predict_step(two_gradients(), network, 4, 1e9).seconds; };
  const double without = seconds();
  network.long_latency = 5e-3;
  network.long_bytes = 1e6;
  EXPECT_NEAR(seconds(), without, kTiny);
  network.long_bytes = 999'999;
  EXPECT_NEAR(seconds(), without + 2 * (5e-3 - 1e-3), kTiny);
}

TEST(PredictStep, RefusesNoRanks) {
  EXPECT_EQ(tests::error_of<ValueError>([] { predict_step({}, {}, 0, 1.0); }),
            "predict_step: expected ranks > 0 and bucket_cap > 0 but got 0 and 1");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
