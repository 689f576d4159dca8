#include "normgrad/dist/data_parallel.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <unordered_map>

#include "normgrad/core/autograd/detail/leaf_observer.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/dist/detail/call.hpp"
#include "normgrad/dist/detail/shared_exchange.hpp"

namespace normgrad {

namespace {

std::size_t byte_count(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * dtype_size(x.dtype()); }

// Copies the elements to or from consecutive memory.
void pack(const Tensor& x, std::byte* to) {
  const Tensor plain = x.row_major();
  std::copy_n(plain.buffer().data(), byte_count(x), to);
}

Tensor unpacked_like(const Tensor& x, const std::byte* from) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  std::copy_n(from, byte_count(x), y.buffer().data());
  return y;
}

// Gives all ranks the elements of rank `root`, in one message.
void broadcast_into(const ProcessGroup& group, const std::vector<Tensor>& tensors, int root) {
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    bytes += byte_count(tensor);
  }
  Tensor flat = Tensor::empty({static_cast<std::int64_t>(bytes)}, kUInt8);
  std::byte* at = flat.buffer().data();
  for (const Tensor& tensor : tensors) {
    pack(tensor, at);
    at += byte_count(tensor);
  }
  flat = group.broadcast(flat, root);
  const NoGradGuard no_grad;
  at = flat.buffer().data();
  for (Tensor tensor : tensors) {
    tensor.copy_(unpacked_like(tensor, at));
    at += byte_count(tensor);
  }
}

std::string description_of(const Module& module) {
  std::string text;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    text += detail::concat(name, " ", tensor.dtype(), " ", tensor.shape(), tensor.requires_grad() ? "\n" : " fixed\n");
  };
  for (const auto& [name, tensor] : module.named_parameters()) {
    add(name, tensor);
  }
  for (const auto& [name, tensor] : module.named_buffers()) {
    add(name, tensor);
  }
  return text;
}

void check_same_model(const ProcessGroup& group, const Module& module) {
  const std::vector<std::string> texts = group.all_gather_object(description_of(module));
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    if (texts[rank] == texts[0]) {
      continue;
    }
    const auto line = [](const std::string& text, std::size_t at) {
      return at >= text.size() ? "nothing" : "'" + text.substr(at, text.find('\n', at) - at) + "'";
    };
    std::size_t at = 0;  // the first line that differs
    for (std::size_t i = 0; i < std::min(texts[0].size(), texts[rank].size()) && texts[0][i] == texts[rank][i]; ++i) {
      at = texts[0][i] == '\n' ? i + 1 : at;
    }
    fail<DistError>("DistributedDataParallel: expected the same parameters and buffers on all ranks but rank 0 has ",
                    line(texts[0], at), " where rank ", rank, " has ", line(texts[rank], at));
  }
}

// Gradients that are reduced together.
struct GradientBucket {
  std::vector<std::size_t> parameters;
  std::vector<std::size_t> offsets;  // in bytes
  std::size_t bytes = 0;
  DType dtype = kFloat32;
  std::size_t missing = 0;  // gradients that the running backward has yet to complete
  Tensor flat;
  Work work;
};

}  // namespace

class DistributedDataParallel::Reducer final : public detail::LeafObserver {
 public:
  Reducer(Module& model, const DistributedDataParallelOptions& opts, const ProcessGroup& ranks)
      : module(model), group(ranks), options_(opts) {
    require<ValueError>(options_.bucket_cap_mb > 0.0, "DistributedDataParallel: expected bucket_cap_mb > 0 but got ",
                        options_.bucket_cap_mb);
    for (const Tensor& parameter : module.parameters()) {
      if (parameter.requires_grad()) {
        parameters_.push_back(parameter);
      }
    }
    require<ValueError>(!parameters_.empty(),
                        "DistributedDataParallel: expected a model with parameters that require gradients");
    check_same_model(group, module);
    std::vector<Tensor> all = module.parameters();
    const std::vector<Tensor> buffers = module.buffers();
    all.insert(all.end(), buffers.begin(), buffers.end());
    broadcast_into(group, all, 0);
    fill_buckets();
  }
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;
  ~Reducer() override = default;

  std::vector<const Node*> observed_leaves() const override {
    std::vector<const Node*> leaves;
    for (const Tensor& parameter : parameters_) {
      leaves.push_back(parameter.node().get());
    }
    return leaves;
  }

  void begin(const std::function<bool(const Node*)>& reached, bool create_graph) override {
    place_of_.clear();
    std::vector<bool> awaited;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Node* leaf = parameters_[i].node().get();
      awaited.push_back(leaf != nullptr && reached(leaf));
      place_of_[leaf] = i;
    }
    active_ = syncs && std::find(awaited.begin(), awaited.end(), true) != awaited.end();
    if (!active_) {
      return;
    }
    start_ = Clock::now();
    trace = {};
    creates_graph_ = create_graph;
    next_ = 0;
    announce(&awaited);
    for (GradientBucket& bucket : buckets_) {
      bucket.missing = static_cast<std::size_t>(
          std::count_if(bucket.parameters.begin(), bucket.parameters.end(), [&](std::size_t i) { return awaited[i]; }));
    }
    launch_complete();
  }

  void accumulated(const Node& leaf) override {
    const auto found = place_of_.find(&leaf);
    if (!active_ || found == place_of_.end()) {
      return;
    }
    --buckets_[bucket_of_[found->second]].missing;
    launch_complete();
    detail::progress_calls();
    note_finished();
  }

  void finish() override {
    if (!active_) {
      return;
    }
    active_ = false;
    trace.computed = seconds();
    // An operation may have passed on no gradient to a parameter in the graph.
    for (GradientBucket& bucket : buckets_) {
      bucket.missing = 0;
    }
    if (creates_graph_) {
      finish_differentiably();
    } else {
      launch_complete();
      finish_buckets();
    }
    trace.finished = seconds();
  }

  void join() {
    for (;;) {
      announce(nullptr);
      const std::vector<std::int64_t> status = status_.wait().to_vector<std::int64_t>();
      if (first_active(status) < 0) {
        break;
      }
      const NoGradGuard no_grad;
      for (GradientBucket& bucket : buckets_) {
        bucket.flat =
            zeros({static_cast<std::int64_t>(bucket.bytes / dtype_size(bucket.dtype))}, {.dtype = bucket.dtype});
        bucket.work = group.all_reduce_async(bucket.flat, op());
      }
      for (GradientBucket& bucket : buckets_) {
        bucket.work.wait();
      }
      after_reduction(status);
    }
    if (last_active_ >= 0) {
      std::vector<Tensor> all = module.parameters();
      const std::vector<Tensor> buffers = module.buffers();
      all.insert(all.end(), buffers.begin(), buffers.end());
      broadcast_into(group, all, last_active_);
    }
    last_active_ = -1;
  }

  Module& module;
  ProcessGroup group;
  bool syncs = true;
  BackwardTrace trace;

 private:
  using Clock = std::chrono::steady_clock;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  ReduceOp op() const { return options_.divide_by_initial_world_size ? ReduceOp::mean : ReduceOp::sum; }

  // From the last parameter to the first, which is about the order in which a backward completes them.
  void fill_buckets() {
    const auto cap = static_cast<std::size_t>(options_.bucket_cap_mb * 1024 * 1024);
    bucket_of_.resize(parameters_.size());
    for (std::size_t i = parameters_.size(); i-- > 0;) {
      const std::size_t bytes = byte_count(parameters_[i]);
      const bool fits =
          !buckets_.empty() && buckets_.back().dtype == parameters_[i].dtype() && buckets_.back().bytes + bytes <= cap;
      if (!fits) {
        buckets_.emplace_back();
        buckets_.back().dtype = parameters_[i].dtype();
      }
      GradientBucket& bucket = buckets_.back();
      bucket.parameters.push_back(i);
      bucket.offsets.push_back(bucket.bytes);
      bucket.bytes += bytes;
      bucket_of_[i] = buckets_.size() - 1;
    }
  }

  // Starts to add up which ranks use which parameters, and which ranks are in a backward: `awaited` is null in join().
  void announce(const std::vector<bool>* awaited) {
    Tensor status = zeros({static_cast<std::int64_t>(parameters_.size()) + group.size()}, {.dtype = kInt64});
    auto* values = status.mutable_data<std::int64_t>();
    if (awaited != nullptr) {
      for (std::size_t i = 0; i < parameters_.size(); ++i) {
        values[i] = (*awaited)[i] || parameters_[i].grad().defined() ? 1 : 0;
      }
      values[parameters_.size() + static_cast<std::size_t>(group.rank())] = 1;
    }
    status_ = group.all_reduce_async(status);
  }

  int first_active(const std::vector<std::int64_t>& status) const {
    for (int rank = 0; rank < group.size(); ++rank) {
      if (status[parameters_.size() + static_cast<std::size_t>(rank)] != 0) {
        return rank;
      }
    }
    return -1;
  }

  // Starts the buckets whose gradients are complete. All ranks start them in the same order.
  void launch_complete() {
    if (creates_graph_) {
      return;
    }
    for (; next_ < buckets_.size() && buckets_[next_].missing == 0; ++next_) {
      GradientBucket& bucket = buckets_[next_];
      bucket.flat = detail::empty_for_reduction(
          *group.comm_, static_cast<std::int64_t>(bucket.bytes / dtype_size(bucket.dtype)), bucket.dtype);
      std::byte* memory = bucket.flat.buffer().data();
      for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
        const Tensor& parameter = parameters_[bucket.parameters[k]];
        if (const Tensor gradient = parameter.grad(); gradient.defined()) {
          pack(gradient, memory + bucket.offsets[k]);
        } else {
          std::memset(memory + bucket.offsets[k], 0, byte_count(parameter));
        }
      }
      bucket.work = group.all_reduce_async(bucket.flat, op());
      trace.buckets.push_back({bucket.flat.numel(), seconds(), 0.0});
    }
  }

  void note_finished() {
    for (std::size_t i = 0; i < trace.buckets.size(); ++i) {
      if (trace.buckets[i].finished == 0.0 && buckets_[i].work.done()) {
        trace.buckets[i].finished = seconds();
      }
    }
  }

  void finish_buckets() {
    const NoGradGuard no_grad;
    const std::vector<std::int64_t> status = status_.wait().to_vector<std::int64_t>();
    std::int64_t ranks = 0;
    for (std::size_t i = parameters_.size(); i < status.size(); ++i) {
      ranks += status[i];
    }
    for (GradientBucket& bucket : buckets_) {
      Tensor mean = bucket.work.wait();
      note_finished();
      if (!options_.divide_by_initial_world_size) {
        mean = mean / static_cast<double>(ranks);
      }
      for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
        Tensor& parameter = parameters_[bucket.parameters[k]];
        if (status[bucket.parameters[k]] == 0) {
          continue;
        }
        // Shares the bucket's memory.
        const auto first = static_cast<std::int64_t>(bucket.offsets[k] / dtype_size(bucket.dtype));
        const Tensor reduced = reshape_to(mean.narrow(0, first, parameter.numel()), parameter.shape());
        // A handle of the user's sees the mean, too.
        Tensor& gradient = parameter.node()->grad;
        if (gradient.defined() && !gradient.is_sole_owner()) {
          gradient.copy_(reduced);
        } else {
          parameter.set_grad(reduced);
        }
      }
      bucket.flat = Tensor();
      bucket.work = Work();
    }
    after_reduction(status);
  }

  void finish_differentiably() {
    const std::vector<std::int64_t> status = status_.wait().to_vector<std::int64_t>();
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      require<GraphError>(status[i] == 0 || status[i] == group.size(),
                          "DistributedDataParallel: expected all ranks to use all parameters in a backward with "
                          "create_graph but only ",
                          status[i], " of ", group.size(), " use parameter ", i);
    }
    for (std::size_t i = parameters_.size(); i-- > 0;) {
      if (status[i] != 0) {
        parameters_[i].set_grad(group.all_reduce(parameters_[i].grad(), ReduceOp::mean));
      }
    }
    after_reduction(status);
  }

  void after_reduction(const std::vector<std::int64_t>& status) {
    last_active_ = first_active(status);
    const std::vector<Tensor> buffers = module.buffers();
    if (options_.broadcast_buffers && !buffers.empty()) {
      broadcast_into(group, buffers, last_active_);
    }
  }

  DistributedDataParallelOptions options_;
  std::vector<Tensor> parameters_;
  std::vector<GradientBucket> buckets_;
  std::vector<std::size_t> bucket_of_;
  std::unordered_map<const Node*, std::size_t> place_of_;
  Work status_;
  std::size_t next_ = 0;  // bucket to start
  bool active_ = false;
  bool creates_graph_ = false;
  int last_active_ = -1;
  Clock::time_point start_;
};

DistributedDataParallel::DistributedDataParallel(Module& module, const DistributedDataParallelOptions& options,
                                                 const ProcessGroup& group)
    : reducer_(std::make_unique<Reducer>(module, options, group)) {}
DistributedDataParallel::~DistributedDataParallel() = default;

Module& DistributedDataParallel::module() const noexcept { return reducer_->module; }
const ProcessGroup& DistributedDataParallel::group() const noexcept { return reducer_->group; }
const BackwardTrace& DistributedDataParallel::trace() const noexcept { return reducer_->trace; }
void DistributedDataParallel::join() { reducer_->join(); }

DistributedDataParallel::NoSync::NoSync(DistributedDataParallel& ddp)
    : ddp_(ddp), before_(std::exchange(ddp.reducer_->syncs, false)) {}
DistributedDataParallel::NoSync::~NoSync() { ddp_.reducer_->syncs = before_; }

}  // namespace normgrad
