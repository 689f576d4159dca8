// A collective call in progress: steps, each of which runs when the messages of those before it have arrived.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/dist/detail/comm.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::detail {

enum class CallKind : std::int32_t {
  all_reduce,
  reduce,
  broadcast,
  all_gather,
  gather,
  reduce_scatter,
  scatter,
  barrier,
  broadcast_object,
  all_gather_object,
  gather_object
};

/// What a rank calls, as it is sent to the others.
struct CallHeader {
  CallKind kind = CallKind::barrier;
  std::int32_t dtype = 0;
  std::int32_t op = -1;    // ReduceOp, or -1
  std::int32_t root = -1;  // or -1
  std::int32_t needs_grad = 0;
  std::int32_t dims = 0;
  std::array<std::int64_t, Shape::kMaxDims> sizes{};
};
CallHeader header_of(CallKind kind, const Tensor& x);
/// "all_reduce(mean) of float32 [3, 4]".
std::string text_of(const CallHeader& header);
const char* name_of(CallKind kind) noexcept;

class Call {
 public:
  using Step = std::function<void(Call& call)>;

  /// Exchanges the headers if calls are checked or `needs_headers`, then runs the steps. Throws DistError if the group
  /// cannot be used any more.
  static std::shared_ptr<Call> start(const std::shared_ptr<Comm>& comm, const CallHeader& header, bool needs_headers,
                                     std::vector<Step> steps);

  Comm& comm() const noexcept { return *comm_; }
  int rank() const noexcept { return comm_->rank(); }
  int size() const noexcept { return comm_->size(); }
  const CallHeader& header() const noexcept { return header_; }
  /// The calls of all ranks, if the headers were exchanged.
  const std::vector<CallHeader>& headers() const noexcept { return headers_; }

  /// Send to or receive from another rank in the present step. The memory must last until the next one.
  void send(int rank, const std::byte* data, std::size_t bytes);
  void receive(int rank, std::byte* data, std::size_t bytes);

  /// Calls f with each other rank. Starts with the next one, so that not all ranks send to the same one first.
  template <class F>
  void for_others(F&& f) const {
    for (int step = 1; step < size(); ++step) {
      f((rank() + step) % size());
    }
  }

  /// Says that `result` is final: wait() returns, and the steps that are left run whenever calls advance.
  void set_ready() noexcept { ready_ = true; }

  /// Advances; returns whether the call is done. Errors are kept for wait().
  bool progress() noexcept;
  /// Waits for the result.
  void wait();
  /// Waits for all steps.
  void finish();
  bool is_ready() const noexcept { return ready_ || done_; }
  bool is_done() const noexcept { return done_; }

  Tensor result;
  Buffer space;  ///< for the steps

 private:
  struct Message {
    MPI_Request request;
    int rank;
  };

  Call(std::shared_ptr<Comm> comm, const CallHeader& header) : comm_(std::move(comm)), header_(header) {}
  void exchange_headers();
  void check_headers() const;
  bool poll();
  std::vector<int> awaited() const;
  std::string in_this_call() const;
  void wait_until(const bool& condition);
  void check_awaited();
  [[noreturn]] void give_up(const std::string& reason);

  std::shared_ptr<Comm> comm_;
  CallHeader header_;
  std::vector<CallHeader> headers_;
  std::uint64_t number_ = 0;
  int tag_ = 0;
  std::vector<Step> steps_;
  std::size_t next_ = 0;
  std::vector<Message> messages_;
  std::chrono::steady_clock::time_point last_arrival_;
  bool ready_ = false;
  bool done_ = false;
  std::exception_ptr error_;
};

/// Advances all calls of this process.
void progress_calls() noexcept;
/// Waits for the calls in progress; returns false if one fails.
bool finish_calls() noexcept;

}  // namespace normgrad::detail
