// Datasets: numbered examples with labels, from which a DataLoader makes batches.
#pragma once

#include <cstdint>
#include <span>
#include <string>

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

/// Tells data sets apart: "300 examples, 1f0c5a77e2b9d401". The digits are 64 bits of FNV-1a over dtypes, shapes and
/// elements, labels included, of up to `samples` examples that are evenly spread over the data set, its first and its
/// last among them. The same on every machine; a change to none of those examples is not seen. Of what is random at
/// each reading take the data set beneath. Throws ValueError unless samples >= 1.
std::string data_fingerprint(const Dataset& dataset, std::int64_t samples = 1024);

/// Throws IndexError naming `where` for an example number outside [0, size).
void check_indices(const char* where, std::span<const std::int64_t> indices, std::int64_t size);

}  // namespace normgrad
