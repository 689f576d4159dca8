// Embedding: a table of learned vectors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of an Embedding. Names and defaults are PyTorch's.
struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx = {};  ///< row initialized to zeros, without a gradient; may be negative
  DType dtype = kFloat32;                        ///< dtype of the weight
  Generator* generator = nullptr;                ///< source of the initial values; null: default_generator()
};

/// index: int64 or int32 of any shape -> [*, embedding_dim]. Initialized from the normal distribution with mean 0 and
/// standard deviation 1.
class Embedding : public Module {
 public:
  /// Throws ValueError unless both sizes are positive, and IndexError for a padding_idx out of range.
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});
  NORMGRAD_DECLARE_MEMBERS(Embedding)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& index) override;

  /// Initializes the weight again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [num_embeddings, embedding_dim]

 private:
  std::optional<std::int64_t> padding_idx_;
};

/// Options of an EmbeddingBag. Names and defaults are PyTorch's.
struct EmbeddingBagLayerOptions {
  std::string mode = "mean";         ///< "sum", "mean" or "max" over each bag
  bool include_last_offset = false;  ///< whether the last offset is the end of the last bag, not the start of one
  std::optional<std::int64_t> padding_idx = {};  ///< row initialized to zeros that bags leave out; may be negative
  DType dtype = kFloat32;                        ///< dtype of the weight
  Generator* generator = nullptr;                ///< source of the initial values; null: default_generator()
};

/// Reduces the vectors of each bag: bag(index) for an index [bags, n], bag(index, offsets) for [n]; see
/// embedding_bag().
class EmbeddingBag : public Module {
 public:
  /// Throws ValueError unless both sizes are positive and the mode is known, and IndexError for a padding_idx out of
  /// range.
  EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingBagLayerOptions options = {});
  NORMGRAD_DECLARE_MEMBERS(EmbeddingBag)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// -> [bags, embedding_dim].
  Tensor forward(const Tensor& index, const Tensor& offsets, const Tensor& per_sample_weights = {});
  Tensor forward(const Tensor& index) override { return forward(index, {}); }

  /// Initializes the weight again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [num_embeddings, embedding_dim]

 private:
  EmbeddingBagOptions options_;
};

}  // namespace normgrad
