#include "normgrad/layers/embedding.hpp"

#include <algorithm>

#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/init/init.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Embedding, weight)
NORMGRAD_DEFINE_MEMBERS(EmbeddingBag, weight)

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options)
    : padding_idx_(options.padding_idx) {
  require<ValueError>(num_embeddings > 0, "Embedding: expected num_embeddings > 0 but got ", num_embeddings);
  require<ValueError>(embedding_dim > 0, "Embedding: expected embedding_dim > 0 but got ", embedding_dim);
  if (padding_idx_) {
    require<IndexError>(*padding_idx_ >= -num_embeddings && *padding_idx_ < num_embeddings,
                        "Embedding: expected padding_idx in [", -num_embeddings, ", ", num_embeddings, ") but got ",
                        *padding_idx_);
    *padding_idx_ += *padding_idx_ < 0 ? num_embeddings : 0;
  }
  weight = Parameter(Tensor::empty({num_embeddings, embedding_dim}, options.dtype));
  reset_parameters(options.generator);
}

namespace {

// Standard normal, except for a row of zeros.
void init_rows(Tensor& weight, std::optional<std::int64_t> padding_idx, Generator* generator) {
  normal_(weight, 0.0, 1.0, generator);
  if (padding_idx) {
    dispatch_float("Embedding", weight.dtype(), [&](auto zero) {
      const std::int64_t size = weight.size(1);
      auto* row = weight.mutable_data<decltype(zero)>() + *padding_idx * size;
      std::fill(row, row + size, zero);
    });
  }
}

}  // namespace

void Embedding::reset_parameters(Generator* generator) { init_rows(weight, padding_idx_, generator); }

std::string Embedding::extra_repr() const {
  const std::string text = detail::concat(weight.size(0), ", ", weight.size(1));
  return padding_idx_ ? detail::concat(text, ", padding_idx=", *padding_idx_) : text;
}

Tensor Embedding::forward(const Tensor& index) { return embedding(index, weight, padding_idx_); }

EmbeddingBag::EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingBagLayerOptions options)
    : options_{options.mode, options.include_last_offset, options.padding_idx} {
  require<ValueError>(num_embeddings > 0, "EmbeddingBag: expected num_embeddings > 0 but got ", num_embeddings);
  require<ValueError>(embedding_dim > 0, "EmbeddingBag: expected embedding_dim > 0 but got ", embedding_dim);
  require<ValueError>(options.mode == "sum" || options.mode == "mean" || options.mode == "max",
                      "EmbeddingBag: expected mode \"sum\", \"mean\" or \"max\" but got \"", options.mode, "\"");
  if (std::optional<std::int64_t>& padding = options_.padding_idx) {
    require<IndexError>(*padding >= -num_embeddings && *padding < num_embeddings,
                        "EmbeddingBag: expected padding_idx in [", -num_embeddings, ", ", num_embeddings, ") but got ",
                        *padding);
    *padding += *padding < 0 ? num_embeddings : 0;
  }
  weight = Parameter(Tensor::empty({num_embeddings, embedding_dim}, options.dtype));
  reset_parameters(options.generator);
}

void EmbeddingBag::reset_parameters(Generator* generator) { init_rows(weight, options_.padding_idx, generator); }

std::string EmbeddingBag::extra_repr() const {
  const std::string text = detail::concat(weight.size(0), ", ", weight.size(1), ", mode=", options_.mode);
  return options_.padding_idx ? detail::concat(text, ", padding_idx=", *options_.padding_idx) : text;
}

Tensor EmbeddingBag::forward(const Tensor& index, const Tensor& offsets, const Tensor& per_sample_weights) {
  return embedding_bag(index, weight, offsets, options_, per_sample_weights);
}

}  // namespace normgrad
