// Embedding: a table of learned vectors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Options of an Embedding; names and defaults are PyTorch's.
struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx = {};  ///< a row that starts as zeros and gets no gradient; may be negative
  DType dtype = kFloat32;                        ///< of the weight
  Generator* generator = nullptr;                ///< of the starting values; null: default_generator()
};

/// index of any shape, int64 -> [*, embedding_dim]. Starts normal with mean 0 and standard deviation 1.
class Embedding : public Module {
 public:
  /// Throws ValueError unless both sizes are positive, IndexError for a padding_idx out of range.
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});
  NORMGRAD_MEMBERS(Embedding, weight)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& index) override;

  /// Draws new starting values.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [num_embeddings, embedding_dim]

 private:
  std::optional<std::int64_t> padding_idx_;
};

}  // namespace normgrad
