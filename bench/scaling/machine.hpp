// Times of the parts of a step on this machine, for the model of lab/scaling.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lab/scaling.hpp"
#include "normgrad/dist.hpp"

namespace scaling {

double now();  ///< in seconds

/// Which of the times of a repeated part counts: 0.5, the median. On a machine that others use, a small quantile is
/// nearer to the time that the part takes alone.
inline double quantile = 0.5;

double typical(std::vector<double> seconds);
/// The typical time that `part` takes, after two calls that do not count.
double typical_time(std::int64_t times, const std::function<void()>& part);

/// The time per byte of adding floats of the group.
double reduction_time(const normgrad::ProcessGroup& group);
/// The time per byte of a copy into the bucket; the gradients are parts of it afterwards.
double copy_time();
/// Between pairs of ranks, all at the same time; the mean over the ranks.
lab::Network measured_network(const normgrad::ProcessGroup& group);

}  // namespace scaling
