// ProcessGroup: the processes of a run, and operations that they compute together over MPI.
//
//   ProcessGroup group = ProcessGroup::world();              // in a program started by mpirun
//   Tensor total = group.all_reduce(x);                      // the same on every rank
//   Work work = group.all_reduce_async(x, ReduceOp::mean);   // returns at once
//   Tensor mean = work.wait();
//
// Every rank of a group makes the same calls in the same order. Results do not depend on the order in which messages
// arrive: a reduction adds the ranks' values in the order of the ranks, in float64 (integers as integers, which wrap
// around), and rounds once. Two runs with the same number of ranks therefore have the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {

class DistributedDataParallel;

namespace detail {
class Call;
class Comm;
}  // namespace detail

/// Ranks that make different calls, a rank that does not answer within the time limit, or a failure of MPI.
class DistError : public Error {
  using Error::Error;
};

/// How the values of the ranks are combined. A NaN on any rank gives NaN.
enum class ReduceOp : std::uint8_t { sum, mean, min, max };
const char* to_string(ReduceOp op) noexcept;  ///< "sum", "mean", "min" or "max"

/// A call in progress. It advances whenever this process waits for any call or asks whether one is done; no thread
/// works in the background. A call whose handle is dropped still takes part.
class Work {
 public:
  Work() = default;
  /// Created by the functions of ProcessGroup whose names end in _async.
  explicit Work(std::shared_ptr<detail::Call> call) : call_(std::move(call)) {}
  /// Returns whether the result is there, without waiting.
  bool done() const;
  /// Waits for the result and returns it, outside of any graph. Throws DistError as the blocking function does.
  Tensor wait() const;

 private:
  std::shared_ptr<detail::Call> call_;
};

/// A handle to a group of processes. Copies refer to the same group.
///
/// Tensors are of any dtype (bool only where nothing is computed). The blocking functions are differentiable to any
/// order: the backward of a collective is a collective, so every rank runs its backward, and the tensors of all ranks
/// require a gradient or none does. The gradient is that of the sum of all ranks' losses.
///
/// With checked calls, the ranks compare operation, dtype, shape and arguments before they exchange data. A mismatch
/// throws a DistError on every rank that names ranks and calls; the group remains usable. Unchecked, it ends in an
/// error of MPI or at the time limit. A process that ends with an exit code other than 0 ends the whole run. One that
/// ends with 0 first waits for all others to end; ranks that make a call meanwhile throw a DistError that names it.
class ProcessGroup {
 public:
  /// Returns the group of all processes that were started together; a single one without mpirun. The first call starts
  /// MPI unless the program has, and MPI then ends with the program.
  static ProcessGroup world();

  int rank() const noexcept;  ///< of this process in the group, from 0
  int size() const noexcept;  ///< number of processes

  /// Seconds that a rank waits for others before it throws a DistError that names them and the call. 300 by default, or
  /// the environment variable NORMGRAD_DIST_TIMEOUT. set_timeout throws ValueError unless it is positive.
  double timeout() const noexcept;
  void set_timeout(double seconds);
  /// Whether calls are checked: by default in debug builds of the library, or as the environment variable
  /// NORMGRAD_DIST_CHECK says (0 or 1). All ranks use the same setting.
  bool checks_calls() const noexcept;
  void set_check_calls(bool on);
  /// Whether the ranks are processes of one machine that read each other's memory in reductions, instead of sending
  /// messages. The results have the same bits. Never with the environment variable NORMGRAD_DIST_SHARED_MEMORY=0 at the
  /// time when the group is made.
  bool shares_memory() const noexcept;

  /// Returns the sum (mean, smallest, largest) of x over the ranks, element by element. Ranks with equal smallest or
  /// largest elements share the gradient. Throws DTypeError for bool, and for the mean of integers.
  Tensor all_reduce(const Tensor& x, ReduceOp op = ReduceOp::sum) const;
  /// As all_reduce(), but the result is only on rank `root`; zeros on the others.
  Tensor reduce(const Tensor& x, int root = 0) const;
  /// Returns the x of rank `root`. Throws IndexError unless root is a rank.
  Tensor broadcast(const Tensor& x, int root = 0) const;
  /// Returns the x of all ranks one after the other: [n0 + n1 + ..., *] from [n_rank, *]. The first sizes may differ.
  /// Throws ShapeError for a tensor without axes.
  Tensor all_gather(const Tensor& x) const;
  /// As all_gather(), but the result is only on rank `root`; [0, *] on the others.
  Tensor gather(const Tensor& x, int root = 0) const;
  /// Reduces x: [n, *] over the ranks and returns the part of this rank: sizes[rank] rows, by default n / size().
  /// Throws ValueError if the sizes do not add up to n, or n is not a multiple of size().
  Tensor reduce_scatter(const Tensor& x, ReduceOp op = ReduceOp::sum, std::vector<std::int64_t> sizes = {}) const;
  /// Returns sizes[rank] rows of the x of rank `root`. The others pass [0, *].
  Tensor scatter(const Tensor& x, const std::vector<std::int64_t>& sizes, int root = 0) const;
  /// Returns when all ranks have called it.
  void barrier() const;

  /// These start a call and return. x must not change until the call is done.
  Work all_reduce_async(const Tensor& x, ReduceOp op = ReduceOp::sum) const;
  Work broadcast_async(const Tensor& x, int root = 0) const;
  Work all_gather_async(const Tensor& x) const;
  Work gather_async(const Tensor& x, int root = 0) const;
  Work reduce_scatter_async(const Tensor& x, ReduceOp op = ReduceOp::sum, std::vector<std::int64_t> sizes = {}) const;
  Work barrier_async() const;

  /// Return the object of rank `root`, those of all ranks, or on rank `root` those of all ranks and elsewhere none.
  /// State dicts keep names, order, dtypes and bits.
  StateDict broadcast_object(const StateDict& state, int root = 0) const;
  std::vector<StateDict> all_gather_object(const StateDict& state) const;
  std::vector<StateDict> gather_object(const StateDict& state, int root = 0) const;
  std::string broadcast_object(const std::string& text, int root = 0) const;
  std::vector<std::string> all_gather_object(const std::string& text) const;

  /// Divides the group: ranks with the same color form a new group, in the order of their ranks. All ranks call it.
  ProcessGroup split(std::int64_t color) const;
  /// Returns the group of the given ranks, in ascending order; nothing on the others. All ranks call it, with one list.
  /// Throws ValueError for an empty list, a repeated rank or another order, and IndexError for a rank out of range.
  std::optional<ProcessGroup> new_group(const std::vector<int>& ranks) const;

  /// Whether both refer to the same group.
  friend bool operator==(const ProcessGroup& a, const ProcessGroup& b) noexcept { return a.comm_ == b.comm_; }

 private:
  friend class DistributedDataParallel;
  explicit ProcessGroup(std::shared_ptr<detail::Comm> comm) : comm_(std::move(comm)) {}
  std::shared_ptr<detail::Comm> comm_;
};

}  // namespace normgrad
