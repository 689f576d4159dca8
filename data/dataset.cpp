#include "normgrad/data/dataset.hpp"

#include <algorithm>
#include <cstring>
#include <iomanip>
#include <sstream>

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

class Fnv64 {
 public:
  void add(const void* bytes, std::size_t count) {
    const auto* next = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i < count; ++i) {
      hash_ = (hash_ ^ next[i]) * 0x100000001b3U;
    }
  }
  void add(const Tensor& tensor) {
    if (!tensor.defined()) {
      return;
    }
    const std::string text = detail::concat(dtype_name(tensor.dtype()), tensor.shape());
    add(text.data(), text.size());
    dispatch_all(tensor.dtype(), [&](auto zero) {
      using T = decltype(zero);
      add(tensor.data<T>(), static_cast<std::size_t>(tensor.numel()) * sizeof(T));
    });
  }
  std::string digits() const {
    std::ostringstream out;
    out << std::hex << std::setfill('0') << std::setw(16) << hash_;
    return out.str();
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace

std::string data_fingerprint(const Dataset& dataset, std::int64_t samples) {
  require<ValueError>(samples >= 1, "data_fingerprint: expected samples >= 1 but got ", samples);
  const std::int64_t size = dataset.size();
  const std::int64_t count = std::min(size, samples);
  Fnv64 hash;
  for (std::int64_t i = 0; i < count; ++i) {
    // (size - 1) * i / (count - 1), computed without overflow of the product
    const std::int64_t step = count > 1 ? (size - 1) / (count - 1) : 0;
    const std::int64_t rest = count > 1 ? (size - 1) % (count - 1) : 0;
    const std::int64_t index = count > 1 ? step * i + rest * i / (count - 1) : 0;
    const Batch example = dataset.batch({&index, 1});
    hash.add(example.inputs);
    hash.add(example.labels);
  }
  return detail::concat(size, " examples, ", hash.digits());
}

TensorDataset::TensorDataset(const Tensor& inputs, const Tensor& labels)
    : inputs_(inputs.detach()), labels_(labels.detach()) {
  require<ShapeError>(inputs.dim() >= 1 && labels.dim() >= 1 && inputs.size(0) == labels.size(0),
                      "TensorDataset: expected inputs and labels of the same length but got ", inputs.shape(), " and ",
                      labels.shape());
}

Batch TensorDataset::batch(std::span<const std::int64_t> indices) const {
  check_indices("TensorDataset", indices, size());
  return {.inputs = rows(inputs_, indices), .labels = rows(labels_, indices)};
}

void check_indices(const char* where, std::span<const std::int64_t> indices, std::int64_t size) {
  for (const std::int64_t index : indices) {
    require<IndexError>(index >= 0 && index < size, where, ": expected indices of examples in [0, ", size, ") but got ",
                        index);
  }
}

}  // namespace normgrad
