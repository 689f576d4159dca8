// Datasets: numbered examples with labels, from which a DataLoader makes batches.
#pragma once

#include <cstdint>
#include <span>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Some examples: inputs [n, ...] and labels [n].
struct Batch {
  Tensor inputs;  ///< [n, ...]
  Tensor labels;  ///< [n, ...], or undefined
};

/// Numbered examples; a cheap handle that is copied, and may be used on several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  /// Number of examples.
  virtual std::int64_t size() const = 0;
  /// The examples of the given numbers; each in [0, size()).
  virtual Batch batch(std::span<const std::int64_t> indices) const = 0;

 protected:
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset(Dataset&&) noexcept = default;
  Dataset& operator=(const Dataset&) = default;
  Dataset& operator=(Dataset&&) noexcept = default;
};

/// Examples that already are tensors: inputs [n, ...] and labels [n, ...] of any dtypes.
class TensorDataset : public Dataset {
 public:
  /// Shares memory with both. Throws ShapeError unless they have the same first size.
  TensorDataset(const Tensor& inputs, const Tensor& labels);
  std::int64_t size() const override { return inputs_.size(0); }
  Batch batch(std::span<const std::int64_t> indices) const override;

 private:
  Tensor inputs_;
  Tensor labels_;
};

/// Throws IndexError naming `where` for an example number outside [0, size).
void check_indices(const char* where, std::span<const std::int64_t> indices, std::int64_t size);

}  // namespace normgrad
