#include "normgrad/data/collate.hpp"

#include <cstring>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

namespace {

template <class T>
Tensor number(T value) {
  Tensor tensor = Tensor::empty({}, dtype_of<T>);
  *tensor.template mutable_data<T>() = value;
  return tensor;
}

// Instead of stack(): examples belong to no graph, and errors must name the example.
Tensor stacked(const char* what, const std::vector<Example>& examples, Tensor Example::*member) {
  const Tensor& first = examples.front().*member;
  if (!first.defined()) {
    for (std::size_t i = 1; i < examples.size(); ++i) {
      require<ValueError>(!(examples[i].*member).defined(), "collate: example ", i, " of the batch has a ", what,
                          " but those before have none");
    }
    return {};
  }
  Shape shape = first.shape();
  shape.insert(0, static_cast<std::int64_t>(examples.size()));
  Tensor all = Tensor::empty(shape, first.dtype());
  const std::size_t bytes = static_cast<std::size_t>(first.numel()) * dtype_size(first.dtype());
  dispatch_all(first.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = all.mutable_data<T>();
    for (std::size_t i = 0; i < examples.size(); ++i, to += first.numel()) {
      const Tensor& one = examples[i].*member;
      require<ValueError>(one.defined(), "collate: example ", i, " of the batch has no ", what,
                          " but those before have one");
      require<ShapeError>(one.shape() == first.shape(), "collate: expected ", what, "s of one shape, ", first.shape(),
                          ", but that of example ", i, " of the batch is ", one.shape(),
                          "; pad them, or pass make_dataset() a function that makes the batch");
      require<DTypeError>(one.dtype() == first.dtype(), "collate: expected ", what, "s of one dtype, ", first.dtype(),
                          ", but that of example ", i, " of the batch is ", one.dtype());
      std::memcpy(to, one.data<T>(), bytes);
    }
  });
  return all;
}

}  // namespace

Tensor to_tensor(std::int64_t value) { return number(value); }
Tensor to_tensor(float value) { return number(value); }
Tensor to_tensor(double value) { return number(value); }

Batch collate(const std::vector<Example>& examples) {
  require<ValueError>(!examples.empty(), "collate: expected at least 1 example");
  return {.inputs = stacked("input", examples, &Example::input), .labels = stacked("label", examples, &Example::label)};
}

}  // namespace normgrad
