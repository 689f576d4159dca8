// Datasets: indexed examples with labels, from which a DataLoader makes batches.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// A batch of examples.
struct Batch {
  Tensor inputs;  ///< [n, ...]
  Tensor labels;  ///< [n, ...], or undefined
};

/// Indexed examples. A handle that is cheap to copy and safe to use on several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  /// Returns the number of examples.
  virtual std::int64_t size() const = 0;
  /// Returns the examples with the given indices, each in [0, size()).
  virtual Batch batch(std::span<const std::int64_t> indices) const = 0;

 protected:
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset(Dataset&&) noexcept = default;
  Dataset& operator=(const Dataset&) = default;
  Dataset& operator=(Dataset&&) noexcept = default;
};

/// A dataset of tensors: inputs [n, ...] and labels [n, ...] of any dtype.
class TensorDataset : public Dataset {
 public:
  /// Shares memory with both tensors. Throws ShapeError unless their first sizes agree.
  TensorDataset(const Tensor& inputs, const Tensor& labels);
  std::int64_t size() const override { return inputs_.size(0); }
  Batch batch(std::span<const std::int64_t> indices) const override;

 private:
  Tensor inputs_;
  Tensor labels_;
};

/// Returns an identifier of a data set: "300 examples, 1f0c5a77e2b9d401". The digits are a 64-bit FNV-1a hash over the
/// dtypes, shapes and elements, including labels, of up to `samples` examples that are evenly spread and include the
/// first and the last. It is the same on every machine and does not reflect changes to other examples. For a dataset
/// that is random on each read, pass the underlying dataset. Throws ValueError unless samples >= 1.
std::string data_fingerprint(const Dataset& dataset, std::int64_t samples = 1024);

/// Throws IndexError, naming `where`, for an index outside [0, size).
void check_indices(const char* where, std::span<const std::int64_t> indices, std::int64_t size);

}  // namespace normgrad
