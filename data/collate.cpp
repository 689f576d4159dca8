#include "normgrad/data/collate.hpp"

#include <cstring>
#include <string>

#include "normgrad/core/base/error.hpp"
#include "normgrad/data/stack_items.hpp"

namespace normgrad {

namespace {

template <class T>
Tensor number(T value) {
  Tensor tensor = Tensor::empty({}, dtype_of<T>);
  *tensor.template mutable_data<T>() = value;
  return tensor;
}

/// The name of the tensors that are stacked, and what takes the function that stacks others.
struct Column {
  std::string one;
  std::string several;
  const char* taker;
};

// Instead of stack(): examples belong to no graph, and errors must name the example.
Tensor stacked(const Column& column, const std::vector<const Tensor*>& all) {
  const Tensor& first = *all.front();
  if (!first.defined()) {
    for (std::size_t i = 1; i < all.size(); ++i) {
      require<ValueError>(!all[i]->defined(), "collate: example ", i, " of the batch has a ", column.one,
                          " but those before have none");
    }
    return {};
  }
  Shape shape = first.shape();
  shape.insert(0, static_cast<std::int64_t>(all.size()));
  Tensor result = Tensor::empty(shape, first.dtype());
  const std::size_t bytes = static_cast<std::size_t>(first.numel()) * dtype_size(first.dtype());
  dispatch_all(first.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = result.mutable_data<T>();
    for (std::size_t i = 0; i < all.size(); ++i, to += first.numel()) {
      const Tensor& one = *all[i];
      require<ValueError>(one.defined(), "collate: example ", i, " of the batch has no ", column.one,
                          " but those before have one");
      require<ShapeError>(one.shape() == first.shape(), "collate: expected ", column.several, " of one shape, ",
                          first.shape(), ", but that of example ", i, " of the batch is ", one.shape(),
                          "; pad them, or pass ", column.taker, " a function that makes the batch");
      require<DTypeError>(one.dtype() == first.dtype(), "collate: expected ", column.several, " of one dtype, ",
                          first.dtype(), ", but that of example ", i, " of the batch is ", one.dtype());
      std::memcpy(to, one.data<T>(), bytes);
    }
  });
  return result;
}

}  // namespace

Tensor to_tensor(std::int64_t value) { return number(value); }
Tensor to_tensor(float value) { return number(value); }
Tensor to_tensor(double value) { return number(value); }

Batch collate(const std::vector<Example>& examples) {
  require<ValueError>(!examples.empty(), "collate: expected at least 1 example");
  std::vector<const Tensor*> inputs;
  std::vector<const Tensor*> labels;
  for (const Example& example : examples) {
    inputs.push_back(&example.input);
    labels.push_back(&example.label);
  }
  return {.inputs = stacked({"input", "inputs", "make_dataset()"}, inputs),
          .labels = stacked({"label", "labels", "make_dataset()"}, labels)};
}

std::vector<Tensor> detail::stack_columns(const std::vector<Tensor>& rows, std::size_t width) {
  require<ValueError>(!rows.empty(), "collate: expected at least 1 example");
  std::vector<Tensor> columns;
  for (std::size_t i = 0; i < width; ++i) {
    std::vector<const Tensor*> column;
    for (std::size_t at = i; at < rows.size(); at += width) {
      column.push_back(&rows[at]);
    }
    const std::string number = width == 1 ? "" : concat(" ", i);
    columns.push_back(stacked({"tensor" + number, "tensors" + number, "the TypedLoader"}, column));
  }
  return columns;
}

}  // namespace normgrad
