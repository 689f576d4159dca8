#include "normgrad/data/dataset.hpp"

#include <algorithm>
#include <cstring>

namespace normgrad {

namespace {

Tensor rows(const Tensor& source, std::span<const std::int64_t> indices) {
  Shape shape = source.shape();
  shape[0] = static_cast<std::int64_t>(indices.size());
  Tensor picked = Tensor::empty(shape, source.dtype());
  dispatch_all(source.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t row = source.numel() / std::max<std::int64_t>(source.size(0), 1);
    const T* from = source.data<T>();
    T* to = picked.mutable_data<T>();
    for (const std::int64_t index : indices) {
      std::memcpy(to, from + index * row, static_cast<std::size_t>(row) * sizeof(T));
      to += row;
    }
  });
  return picked;
}

}  // namespace

TensorDataset::TensorDataset(const Tensor& inputs, const Tensor& labels)
    : inputs_(inputs.detach()), labels_(labels.detach()) {
  require<ShapeError>(inputs.dim() >= 1 && labels.dim() >= 1 && inputs.size(0) == labels.size(0),
                      "TensorDataset: expected inputs and labels of the same first size but got ", inputs.shape(),
                      " and ", labels.shape());
}

Batch TensorDataset::batch(std::span<const std::int64_t> indices) const {
  check_indices("TensorDataset", indices, size());
  return {.inputs = rows(inputs_, indices), .labels = rows(labels_, indices)};
}

void check_indices(const char* where, std::span<const std::int64_t> indices, std::int64_t size) {
  for (const std::int64_t index : indices) {
    require<IndexError>(index >= 0 && index < size, where, ": expected numbers of examples in [0, ", size, ") but got ",
                        index);
  }
}

}  // namespace normgrad
