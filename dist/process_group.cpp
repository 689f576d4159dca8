#include "normgrad/dist/process_group.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "normgrad/dist/detail/exchange.hpp"

namespace normgrad {

using detail::CallKind;

const char* to_string(ReduceOp op) noexcept {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::mean:
      return "mean";
    case ReduceOp::min:
      return "min";
    case ReduceOp::max:
      break;
  }
  return "max";
}

bool Work::done() const {
  require<ValueError>(call_ != nullptr, "Work: expected a call in progress but this handle has none");
  detail::progress_calls();
  call_->progress();
  return call_->is_ready();
}

Tensor Work::wait() const {
  require<ValueError>(call_ != nullptr, "Work: expected a call in progress but this handle has none");
  call_->wait();
  return call_->result;
}

ProcessGroup ProcessGroup::world() { return ProcessGroup(detail::Comm::world()); }

int ProcessGroup::rank() const noexcept { return comm_->rank(); }
int ProcessGroup::size() const noexcept { return comm_->size(); }
double ProcessGroup::timeout() const noexcept { return comm_->timeout; }
bool ProcessGroup::shares_memory() const noexcept { return !comm_->processes().empty(); }
bool ProcessGroup::checks_calls() const noexcept { return comm_->checks; }
void ProcessGroup::set_check_calls(bool on) { comm_->checks = on; }

void ProcessGroup::set_timeout(double seconds) {
  require<ValueError>(seconds > 0.0, "ProcessGroup: expected a time limit > 0 s but got ", seconds);
  comm_->timeout = seconds;
}

void ProcessGroup::barrier() const { barrier_async().wait(); }
Work ProcessGroup::barrier_async() const { return Work(detail::start_barrier(comm_)); }

namespace {

Tensor bytes_tensor(const std::string& text) {
  // bool is the dtype of one byte; the bytes are only moved.
  Tensor x = Tensor::empty({static_cast<std::int64_t>(text.size())}, kBool);
  std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), x.buffer().data());
  return x;
}

template <class T>
void put(std::string& text, T value) {
  text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T take(const std::string& text, std::size_t& at) {
  T value;
  require<DistError>(text.size() - at >= sizeof value, "ProcessGroup: a state dict arrived incomplete");
  std::memcpy(&value, text.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

std::string packed(const StateDict& state) {
  std::string text;
  for (const auto& [name, tensor] : state) {
    put(text, static_cast<std::uint64_t>(name.size()));
    text += name;
    put(text, static_cast<std::int32_t>(tensor.defined() ? static_cast<int>(tensor.dtype()) : -1));
    if (!tensor.defined()) {
      continue;
    }
    put(text, static_cast<std::int32_t>(tensor.dim()));
    for (const std::int64_t size : tensor.shape()) {
      put(text, size);
    }
    const Tensor plain = tensor.row_major();
    text.append(reinterpret_cast<const char*>(plain.buffer().data()),
                static_cast<std::size_t>(plain.numel()) * dtype_size(plain.dtype()));
  }
  return text;
}

StateDict unpacked(const std::string& text) {
  StateDict state;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = static_cast<std::size_t>(take<std::uint64_t>(text, at));
    require<DistError>(length <= text.size() - at, "ProcessGroup: a state dict arrived incomplete");
    Tensor& entry = state[text.substr(at, length)];
    at += length;
    const auto dtype = take<std::int32_t>(text, at);
    if (dtype < 0) {
      continue;
    }
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(take<std::int32_t>(text, at)));
    for (std::int64_t& size : sizes) {
      size = take<std::int64_t>(text, at);
    }
    entry = Tensor::empty(Shape(sizes), static_cast<DType>(dtype));
    const std::size_t bytes = static_cast<std::size_t>(entry.numel()) * dtype_size(entry.dtype());
    require<DistError>(bytes <= text.size() - at, "ProcessGroup: a state dict arrived incomplete");
    std::copy_n(reinterpret_cast<const std::byte*>(text.data()) + at, bytes, entry.buffer().data());
    at += bytes;
  }
  return state;
}

// The texts of all ranks, on all ranks or on `to`.
std::vector<std::string> gather_texts(const std::shared_ptr<detail::Comm>& comm, const std::string& text, CallKind kind,
                                      int root, int to) {
  const auto call = detail::start_gather(comm, bytes_tensor(text), kind, root, to, false);
  call->wait();
  std::vector<std::string> texts;
  if (to >= 0 && to != comm->rank()) {
    return texts;
  }
  const char* at = reinterpret_cast<const char*>(call->result.buffer().data());
  for (const std::int64_t bytes : detail::rows_of(*call)) {
    texts.emplace_back(bytes == 0 ? "" : at, static_cast<std::size_t>(bytes));
    at += bytes;
  }
  return texts;
}

std::vector<StateDict> unpacked_all(const std::vector<std::string>& texts) {
  std::vector<StateDict> states;
  for (const std::string& text : texts) {
    states.push_back(unpacked(text));
  }
  return states;
}

}  // namespace

std::string ProcessGroup::broadcast_object(const std::string& text, int root) const {
  detail::check_root(CallKind::broadcast_object, root, size());
  const std::string own = rank() == root ? text : std::string();
  return gather_texts(comm_, own, CallKind::broadcast_object, root, -1)[static_cast<std::size_t>(root)];
}

std::vector<std::string> ProcessGroup::all_gather_object(const std::string& text) const {
  return gather_texts(comm_, text, CallKind::all_gather_object, -1, -1);
}

StateDict ProcessGroup::broadcast_object(const StateDict& state, int root) const {
  return unpacked(broadcast_object(rank() == root ? packed(state) : std::string(), root));
}

std::vector<StateDict> ProcessGroup::all_gather_object(const StateDict& state) const {
  return unpacked_all(all_gather_object(packed(state)));
}

std::vector<StateDict> ProcessGroup::gather_object(const StateDict& state, int root) const {
  detail::check_root(CallKind::gather_object, root, size());
  return unpacked_all(gather_texts(comm_, packed(state), CallKind::gather_object, root, root));
}

ProcessGroup ProcessGroup::split(std::int64_t color) const {
  Tensor own = Tensor::empty({1}, kInt64);
  own.mutable_data<std::int64_t>()[0] = color;
  const std::vector<std::int64_t> colors = all_gather(own).to_vector<std::int64_t>();
  std::vector<int> members;
  for (int other = 0; other < size(); ++other) {
    if (colors[static_cast<std::size_t>(other)] == color) {
      members.push_back(other);
    }
  }
  MPI_Group all = MPI_GROUP_NULL;
  MPI_Group group = MPI_GROUP_NULL;
  MPI_Comm comm = MPI_COMM_NULL;
  detail::check_mpi(MPI_Comm_group(comm_->mpi(), &all), "split");
  detail::check_mpi(MPI_Group_incl(all, static_cast<int>(members.size()), members.data(), &group), "split");
  detail::check_mpi(MPI_Comm_create_group(comm_->mpi(), group, 0, &comm), "split");
  MPI_Group_free(&group);
  MPI_Group_free(&all);
  auto part = std::make_shared<detail::Comm>(comm, comm_->name() + "/" + std::to_string(color));
  part->timeout = comm_->timeout;
  part->checks = comm_->checks;
  return ProcessGroup(std::move(part));
}

std::optional<ProcessGroup> ProcessGroup::new_group(const std::vector<int>& ranks) const {
  require<ValueError>(!ranks.empty(), "new_group: expected at least one rank but got none");
  std::vector<int> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    require<IndexError>(sorted[i] >= 0 && sorted[i] < size(), "new_group: expected ranks in [0, ", size(), ") but got ",
                        sorted[i]);
    require<ValueError>(i == 0 || sorted[i] != sorted[i - 1], "new_group: expected distinct ranks but got ", sorted[i],
                        " twice");
  }
  require<ValueError>(sorted == ranks, "new_group: expected ranks in ascending order");
  const bool member = std::binary_search(sorted.begin(), sorted.end(), rank());
  ProcessGroup part = split(member ? 1 : 0);
  return member ? std::optional<ProcessGroup>(std::move(part)) : std::nullopt;
}

}  // namespace normgrad
