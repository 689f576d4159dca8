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

/// The time per byte of adding floats of the group, of tensors with so many bytes.
double reduction_time(const normgrad::ProcessGroup& group, std::int64_t bytes);
/// The time per byte of a copy into a bucket of so many bytes; the gradients are parts of it afterwards.
double copy_time(std::int64_t bytes);
/// The time of an all_reduce of one number.
double short_call_time(const normgrad::ProcessGroup& group);
/// From messages between pairs of ranks and from reductions of one number and of so many bytes, with all ranks at the
/// same time: if they take turns on a processor, the times contain those of the others. The mean over the ranks.
lab::Network measured_network(const normgrad::ProcessGroup& group, std::int64_t bytes, double turns);

}  // namespace scaling
