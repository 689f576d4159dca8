#include "normgrad/dist/detail/call.hpp"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "normgrad/core/base/log.hpp"
#include "normgrad/dist/detail/farewell.hpp"

namespace normgrad::detail {

namespace {

// MPI counts in int.
constexpr std::size_t kLargestMessage = std::size_t{1} << 30;

// A rank that waits for a message polls without a pause this often, then lets other processes run, and finally sleeps:
// there may be more ranks than processors.
constexpr int kBusyPolls = 50;
constexpr int kYieldingPolls = 2000;
constexpr auto kPause = std::chrono::microseconds(50);
constexpr int kPollsPerCheck = 256;  // for ranks that have ended

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// In the order of their start. Calls hold memory that MPI writes to, so they live here until they are done.
std::vector<std::shared_ptr<Call>>& calls_in_progress() {
  static auto* calls = new std::vector<std::shared_ptr<Call>>;  // NOLINT: outlives the static objects
  return *calls;
}

bool has_free_rows(CallKind kind) {
  switch (kind) {
    case CallKind::all_gather:
    case CallKind::gather:
    case CallKind::broadcast_object:
    case CallKind::all_gather_object:
    case CallKind::gather_object:
      return true;
    default:
      return false;
  }
}

bool agree(CallHeader a, CallHeader b) {
  if (has_free_rows(a.kind)) {
    a.sizes[0] = b.sizes[0] = 0;
  }
  return a.kind == b.kind && a.dtype == b.dtype && a.op == b.op && a.root == b.root && a.needs_grad == b.needs_grad &&
         a.dims == b.dims && a.sizes == b.sizes;
}

}  // namespace

const char* name_of(CallKind kind) noexcept {
  static constexpr const char* kNames[] = {
      "all_reduce", "reduce",  "broadcast",        "all_gather",        "gather",       "reduce_scatter",
      "scatter",    "barrier", "broadcast_object", "all_gather_object", "gather_object"};
  const auto i = static_cast<std::size_t>(kind);
  return i < std::size(kNames) ? kNames[i] : "an unknown call";
}

CallHeader header_of(CallKind kind, const Tensor& x) {
  CallHeader header;
  header.kind = kind;
  header.dtype = static_cast<std::int32_t>(x.dtype());
  header.dims = static_cast<std::int32_t>(x.dim());
  std::copy(x.shape().begin(), x.shape().end(), header.sizes.begin());
  return header;
}

std::string text_of(const CallHeader& header) {
  std::string text = name_of(header.kind);
  if (header.op >= 0) {
    text += concat("(", to_string(static_cast<ReduceOp>(header.op)),
                   header.root >= 0 ? concat(", root ", header.root) : "", ")");
  } else if (header.root >= 0) {
    text += concat("(root ", header.root, ")");
  }
  if (header.kind < CallKind::barrier) {
    const auto dims = static_cast<std::size_t>(std::clamp(header.dims, 0, static_cast<int>(Shape::kMaxDims)));
    text += concat(" of ", static_cast<DType>(header.dtype), " ",
                   Shape(std::span<const std::int64_t>(header.sizes.data(), dims)),
                   header.needs_grad != 0 ? " that requires a gradient" : "");
  }
  return text;
}

std::shared_ptr<Call> Call::start(const std::shared_ptr<Comm>& comm, const CallHeader& header, bool needs_headers,
                                  std::vector<Step> steps) {
  require<DistError>(comm->broken.empty(), name_of(header.kind), ": the group '", comm->name(),
                     "' cannot be used after an error: ", comm->broken);
  std::shared_ptr<Call> call(new Call(comm, header));
  call->number_ = comm->next_call();
  call->tag_ = comm->tag_of(call->number_);
  if (comm->checks || needs_headers) {
    call->steps_.emplace_back([](Call& self) { self.exchange_headers(); });
    call->steps_.emplace_back([](Call& self) { self.check_headers(); });
  }
  std::move(steps.begin(), steps.end(), std::back_inserter(call->steps_));
  call->last_arrival_ = Clock::now();
  calls_in_progress().push_back(call);
  progress_calls();
  return call;
}

void Call::send(int rank, const std::byte* data, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += kLargestMessage) {
    Message message{MPI_REQUEST_NULL, rank};
    check_mpi(MPI_Isend(data + at, static_cast<int>(std::min(kLargestMessage, bytes - at)), MPI_BYTE, rank, tag_,
                        comm_->mpi(), &message.request),
              name_of(header_.kind));
    messages_.push_back(message);
  }
}

void Call::receive(int rank, std::byte* data, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += kLargestMessage) {
    Message message{MPI_REQUEST_NULL, rank};
    check_mpi(MPI_Irecv(data + at, static_cast<int>(std::min(kLargestMessage, bytes - at)), MPI_BYTE, rank, tag_,
                        comm_->mpi(), &message.request),
              name_of(header_.kind));
    messages_.push_back(message);
  }
}

void Call::exchange_headers() {
  headers_.resize(static_cast<std::size_t>(size()));
  headers_[static_cast<std::size_t>(rank())] = header_;
  for (int other = 0; other < size(); ++other) {
    if (other != rank()) {
      receive(other, reinterpret_cast<std::byte*>(&headers_[static_cast<std::size_t>(other)]), sizeof(CallHeader));
      send(other, reinterpret_cast<const std::byte*>(&header_), sizeof(CallHeader));
    }
  }
}

void Call::check_headers() const {
  std::map<std::string, std::vector<int>> calls;
  bool same = true;
  for (int other = 0; other < size(); ++other) {
    const CallHeader& header = headers_[static_cast<std::size_t>(other)];
    same = same && agree(header, headers_[0]);
    calls[text_of(header)].push_back(other);
  }
  if (same) {
    return;
  }
  std::vector<std::pair<std::vector<int>, std::string>> by_rank;
  for (const auto& [text, ranks] : calls) {
    by_rank.emplace_back(ranks, text);
  }
  std::sort(by_rank.begin(), by_rank.end());
  std::string list;
  for (const auto& [ranks, text] : by_rank) {
    list += (list.empty() ? "" : "; ") + comm_->names_of(ranks) + ": " + text;
  }
  fail<DistError>(name_of(header_.kind), ": expected the same call on all ranks of the group '", comm_->name(),
                  "' but got, as call ", number_, ", ", list);
}

// Returns whether all messages of the present step have arrived.
bool Call::poll() {
  const std::size_t before = messages_.size();
  std::erase_if(messages_, [&](Message& message) {
    int arrived = 0;
    check_mpi(MPI_Test(&message.request, &arrived, MPI_STATUS_IGNORE), name_of(header_.kind));
    return arrived != 0;
  });
  if (messages_.size() != before) {
    last_arrival_ = Clock::now();
  }
  return messages_.empty();
}

bool Call::progress() noexcept {
  try {
    while (!done_ && poll()) {
      if (next_ == steps_.size()) {
        done_ = true;
        steps_.clear();
        space = {};
      } else {
        // The step may hold the only handle to memory in use: it is freed at the end.
        steps_[next_++](*this);
      }
    }
  } catch (const std::exception& error) {
    error_ = std::current_exception();
    done_ = true;
    if (!messages_.empty()) {
      comm_->broken = error.what();
    }
  }
  return done_;
}

void Call::wait() { wait_until(ready_); }
void Call::finish() { wait_until(done_); }

// A call that is done also ends the waiting for its result.
void Call::wait_until(const bool& condition) {
  Clock::time_point start = Clock::now();
  for (int polls = 0;; ++polls) {
    if (!condition && !done_) {
      progress_calls();
    }
    if (condition || done_) {
      break;
    }
    if (polls > kYieldingPolls) {
      std::this_thread::sleep_for(kPause);
      if (polls % kPollsPerCheck == 0) {
        check_awaited();
      }
    } else if (polls > kBusyPolls) {
      std::this_thread::yield();
    }
    const double seconds = seconds_since(std::max(start, last_arrival_));
    if (seconds > comm_->timeout) {
      give_up(
          concat("has waited ", seconds, " s for ", comm_->names_of(awaited()), in_this_call(),
                 "; are they still running, and do they make this call? The limit is set by NORMGRAD_DIST_TIMEOUT"));
    }
  }
  if (error_) {
    std::rethrow_exception(error_);
  }
}

// The ranks in the group that this one waits for.
std::vector<int> Call::awaited() const {
  std::vector<int> ranks;
  for (const Message& message : messages_) {
    ranks.push_back(message.rank);
  }
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  return ranks;
}

std::string Call::in_this_call() const {
  return concat(" in call ", number_, " of the group '", comm_->name(), "', ", text_of(header_));
}

// A rank that has ended will not answer.
void Call::check_awaited() {
  std::vector<int> left = awaited();
  std::erase_if(left, [&](int rank) { return ranks_that_left({comm_->world_rank(rank)}).empty(); });
  if (!left.empty()) {
    give_up(concat("waits for ", comm_->names_of(left), in_this_call(), ", but ",
                   left.size() == 1 ? "it has" : "they have",
                   " ended without an error; expected the same number of calls on all ranks"));
  }
}

void Call::give_up(const std::string& reason) {
  done_ = true;
  const std::string text = concat(name_of(header_.kind), ": rank ", comm_->world_rank(rank()), " ", reason);
  comm_->broken = text;
  error_ = std::make_exception_ptr(DistError(text));
  std::rethrow_exception(error_);
}

void progress_calls() noexcept {
  std::vector<std::shared_ptr<Call>>& calls = calls_in_progress();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    calls[i]->progress();
  }
  // A call that failed with messages on their way stays: MPI may still write to its memory.
  std::erase_if(calls,
                [](const std::shared_ptr<Call>& call) { return call->progress() && call->comm().broken.empty(); });
}

bool finish_calls() noexcept {
  const std::vector<std::shared_ptr<Call>> calls = calls_in_progress();
  for (const std::shared_ptr<Call>& call : calls) {
    if (!call->is_done()) {
      try {
        call->finish();
      } catch (const std::exception& error) {
        log(LogLevel::error, error.what());
        return false;
      }
    }
  }
  return true;
}

}  // namespace normgrad::detail
