#include "normgrad/io/detail/onnx_trace.hpp"

#include <unordered_map>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/op_arguments.hpp"
#include "normgrad/layers/module/detail/member_walk.hpp"

namespace normgrad::detail {

namespace {

class Tracer final : public Watcher {
 public:
  explicit Tracer(const std::vector<Tensor>& inputs) {
    for (const Tensor& input : inputs) {
      trace_.inputs.push_back({define(input), input});
    }
  }
  ~Tracer() override = default;
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  void arguments(const OpArguments& arguments) override { pending_ = arguments; }
  void computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) override { add(name, y, inputs); }
  void announced(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) override {
    add(name, y, inputs);
  }

  Trace finish(const std::vector<Tensor>& outputs) {
    for (const Tensor& output : outputs) {
      trace_.outputs.push_back(find("the end", output));
    }
    return std::move(trace_);
  }

 private:
  struct Definition {
    int value;
    Tensor tensor;  // kept, so that neither its identity nor its memory is used again
    std::uint64_t version;
  };

  int define(const Tensor& tensor) {
    const auto value = static_cast<int>(definitions_.size());
    definitions_.push_back({value, tensor, tensor.version()});
    by_identity_[identity_of(tensor)] = value;
    if (tensor.numel() > 0) {
      by_memory_[tensor.buffer().data()].push_back(value);
    }
    return value;
  }

  /// A detached handle has no identity of its own, but the memory and shape of the value.
  TraceOperand find(const char* name, const Tensor& tensor) {
    if (!tensor.defined()) {
      return {};
    }
    int value = -1;
    if (const auto found = by_identity_.find(identity_of(tensor)); found != by_identity_.end()) {
      value = found->second;
    } else if (const auto memory = by_memory_.find(tensor.numel() > 0 ? tensor.buffer().data() : nullptr);
               memory != by_memory_.end()) {
      for (const int candidate : memory->second) {
        const Tensor& known = definitions_[static_cast<std::size_t>(candidate)].tensor;
        if (known.shape() == tensor.shape() && known.dtype() == tensor.dtype() &&
            known.is_channels_last() == tensor.is_channels_last()) {
          value = candidate;
        }
      }
      require<ValueError>(value >= 0, "write_onnx: '", name, "' uses the memory of a traced tensor in the shape ",
                          tensor.shape(), ", which no operation made");
    }
    if (value >= 0) {
      require<ValueError>(definitions_[static_cast<std::size_t>(value)].version == tensor.version(), "write_onnx: '",
                          name, "' uses a tensor that was changed in place, which is not traced");
    }
    return {value, tensor};
  }

  void add(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) {
    const OpArguments arguments = std::exchange(pending_, {});
    TraceOp op;
    bool depends = false;
    for (const Tensor& input : inputs) {
      op.inputs.push_back(find(name, input));
      depends = depends || op.inputs.back().value >= 0;
    }
    for (const auto& [key, tensor] : arguments.tensors) {
      op.tensors.push_back({key, find(name, tensor)});
      depends = depends || op.tensors.back().operand.value >= 0;
    }
    if (!depends) {
      return;
    }
    for (const auto& [key, numbers] : arguments.numbers) {
      op.numbers.push_back({key, numbers});
    }
    op.name = name;
    op.place = module_places().empty() ? std::string() : module_places().back().path;
    const auto earlier = by_identity_.find(identity_of(y));
    op.earlier = earlier == by_identity_.end() ? -1 : earlier->second;
    op.y = y;
    op.output = define(y);
    trace_.ops.push_back(std::move(op));
  }

  Trace trace_;
  OpArguments pending_;
  std::vector<Definition> definitions_;
  std::unordered_map<const void*, int> by_identity_;
  std::unordered_map<const void*, std::vector<int>> by_memory_;
};

}  // namespace

Trace trace(const TensorFunction& f, const std::vector<Tensor>& inputs) {
  const NoGradGuard no_grad;
  Tracer tracer(inputs);
  const std::vector<Tensor> outputs = f(inputs);
  return tracer.finish(outputs);
}

}  // namespace normgrad::detail
