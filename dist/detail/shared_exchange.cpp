#include "normgrad/dist/detail/shared_exchange.hpp"

#include <cstring>
#include <utility>
#include <vector>

#include "normgrad/dist/detail/exchange.hpp"
#include "normgrad/dist/detail/rank_order.hpp"
#include "normgrad/dist/detail/shared_memory.hpp"

namespace normgrad::detail {

namespace {

// What a rank tells the others.
struct Note {
  SharedArea area;
  std::int64_t bytes = 0;  // of the tensor in it
};

class SharedReduction {
 public:
  SharedReduction(const Comm& comm, const Tensor& x, ReduceOp op)
      : shape_(x.shape()), dtype_(x.dtype()), op_(op), rank_(at(comm.rank())), notes_(at(comm.size())) {
    const std::size_t bytes = at(x.numel()) * dtype_size(dtype_);
    own_ = x.buffer();
    if (!shared_area_of(own_)) {
      own_ = shared_buffer(bytes);
      std::memcpy(own_.data(), x.buffer().data(), bytes);
    }
    notes_[rank_] = {*shared_area_of(own_), static_cast<std::int64_t>(bytes)};
    marks_.resize(notes_.size());
  }

  void exchange_notes(Call& call) {
    call.for_others([&](int other) {
      call.receive(other, reinterpret_cast<std::byte*>(&notes_[at(other)]), sizeof(Note));
      call.send(other, reinterpret_cast<const std::byte*>(&notes_[rank_]), sizeof(Note));
    });
  }

  // Tells the others that this rank has come so far, and waits for them.
  void exchange_marks(Call& call) {
    call.for_others([&](int other) {
      call.receive(other, &marks_[at(other)], 1);
      call.send(other, &marks_[rank_], 1);
    });
  }

  void map_others(const Call& call) {
    const std::int64_t bytes = notes_[rank_].bytes;
    for (std::size_t other = 0; other < notes_.size(); ++other) {
      if (other == rank_) {
        parts_.push_back(own_.data());
        continue;
      }
      require<DistError>(notes_[other].bytes == bytes, "all_reduce: ", call.comm().names_of({static_cast<int>(other)}),
                         " reduces ", notes_[other].bytes, " bytes and ", call.comm().names_of({call.rank()}), " ",
                         bytes, "; NORMGRAD_DIST_CHECK=1 names the calls");
      mapped_.push_back(map_shared_area(call.comm().processes()[other], notes_[other].area));
      parts_.push_back(mapped_.back().get());
    }
  }

  // Each rank computes everything.
  void reduce_all(Call& call) {
    call.result = Tensor::empty(shape_, dtype_);
    reduce_in_rank_order(parts_, dtype_, op_, begin_of(notes_.size()), call.result.buffer().data());
    call.set_ready();
  }

  // Each rank computes its part, in its own memory, where nobody else reads that part before.
  void reduce_part() {
    const std::size_t begin = begin_of(rank_);
    std::vector<const std::byte*> parts;
    for (const std::byte* part : parts_) {
      parts.push_back(part + begin);
    }
    reduce_in_rank_order(parts, dtype_, op_, begin_of(rank_ + 1) - begin, own_.data() + begin);
  }

  void collect_parts(Call& call) {
    call.result = Tensor::empty(shape_, dtype_);
    for (std::size_t rank = 0; rank < parts_.size(); ++rank) {
      const std::size_t begin = begin_of(rank);
      std::memcpy(call.result.buffer().data() + begin, parts_[rank] + begin, begin_of(rank + 1) - begin);
    }
    call.set_ready();
  }

 private:
  template <class T>
  static std::size_t at(T i) {
    return static_cast<std::size_t>(i);
  }

  // The first byte of a rank's part.
  std::size_t begin_of(std::size_t rank) const {
    const std::size_t size = dtype_size(dtype_);
    return at(notes_[rank_].bytes) / size * rank / notes_.size() * size;
  }

  Shape shape_;
  DType dtype_;
  ReduceOp op_;
  std::size_t rank_;
  Buffer own_;
  std::vector<Note> notes_;
  std::vector<std::byte> marks_;
  std::vector<std::shared_ptr<const std::byte>> mapped_;
  std::vector<const std::byte*> parts_;  // of all ranks
};

}  // namespace

// The last marks tell a rank that nobody reads its memory any more; its result is there before.
std::shared_ptr<Call> start_shared_all_reduce(const std::shared_ptr<Comm>& comm, const CallHeader& header,
                                              const Tensor& x, ReduceOp op) {
  const auto reduction = std::make_shared<SharedReduction>(*comm, x, op);
  std::vector<Call::Step> steps{[reduction](Call& call) { reduction->exchange_notes(call); }};
  if (comm->size() == 2) {
    steps.emplace_back([reduction](Call& call) {
      reduction->map_others(call);
      reduction->reduce_all(call);
      reduction->exchange_marks(call);
    });
  } else {
    steps.emplace_back([reduction](Call& call) {
      reduction->map_others(call);
      reduction->reduce_part();
      reduction->exchange_marks(call);
    });
    steps.emplace_back([reduction](Call& call) {
      reduction->collect_parts(call);
      reduction->exchange_marks(call);
    });
  }
  return Call::start(comm, header, false, std::move(steps));
}

Tensor empty_for_reduction(const Comm& comm, std::int64_t n, DType dtype) {
  const std::size_t bytes = static_cast<std::size_t>(n) * dtype_size(dtype);
  if (comm.processes().empty() || bytes <= kDirectBytes) {
    return Tensor::empty({n}, dtype);
  }
  return Tensor::from_buffer(shared_buffer(bytes), {n}, dtype);
}

}  // namespace normgrad::detail
