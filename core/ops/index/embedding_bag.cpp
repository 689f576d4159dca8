#include <vector>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/index.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// The start of each bag and, at the end, the number of indices.
std::vector<std::int64_t> bag_starts(const Tensor& index, const Tensor& offsets, bool include_last) {
  std::vector<std::int64_t> starts;
  if (index.dim() == 2) {
    require<ShapeError>(!offsets.defined(), "embedding_bag: expected no offsets for an index [bags, n] but got ",
                        offsets.defined() ? offsets.shape() : Shape());
    for (std::int64_t bag = 0; bag <= index.size(0); ++bag) {
      starts.push_back(bag * index.size(1));
    }
    return starts;
  }
  require<ShapeError>(index.dim() == 1, "embedding_bag: expected an index [bags, n] or [n] but got ", index.shape());
  require<ShapeError>(offsets.defined() && offsets.dim() == 1, "embedding_bag: expected offsets [bags] for an index ",
                      index.shape(), " but got ", offsets.defined() ? to_string(offsets.shape()) : "none");
  require<DTypeError>(offsets.dtype() == kInt64 || offsets.dtype() == kInt32,
                      "embedding_bag: expected int64 or int32 offsets but got ", offsets.dtype());
  require<ValueError>(!include_last || offsets.numel() >= 1,
                      "embedding_bag: expected at least one offset with include_last_offset but got none");
  starts = offsets.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < starts.size(); ++i) {
    require<ValueError>(
        starts[i] >= (i == 0 ? 0 : starts[i - 1]) && starts[i] <= index.numel() && (i > 0 || starts[i] == 0),
        "embedding_bag: expected ascending offsets from 0 to at most ", index.numel(), " but got ", starts[i],
        " at position ", i);
  }
  if (include_last) {
    starts.pop_back();
  }
  starts.push_back(index.numel());
  return starts;
}

}  // namespace

Tensor embedding_bag(const Tensor& index, const Tensor& weight, const Tensor& offsets,
                     const EmbeddingBagOptions& options, const Tensor& per_sample_weights) {
  constexpr const char* kName = "embedding_bag";
  require<ValueError>(options.mode == "sum" || options.mode == "mean" || options.mode == "max", kName,
                      ": expected mode \"sum\", \"mean\" or \"max\" but got \"", options.mode, "\"");
  require<ShapeError>(weight.dim() == 2, kName, ": expected a weight [num_embeddings, embedding_dim] but got ",
                      weight.shape());
  detail::check_float(kName, weight);
  detail::checked_index(kName, index);
  const std::int64_t rows = weight.size(0);
  require<IndexError>(!options.padding_idx || (*options.padding_idx >= -rows && *options.padding_idx < rows), kName,
                      ": expected a padding_idx in [", -rows, ", ", rows, ") but got ",
                      options.padding_idx.value_or(0));
  if (per_sample_weights.defined()) {
    require<ValueError>(options.mode == "sum", kName, ": expected mode \"sum\" for per_sample_weights but got \"",
                        options.mode, "\"");
    require<ShapeError>(per_sample_weights.shape() == index.shape(), kName,
                        ": expected per_sample_weights of the shape of the index ", index.shape(), " but got ",
                        per_sample_weights.shape());
    detail::check_same_dtype(kName, weight, per_sample_weights);
  }
  const std::vector<std::int64_t> starts = bag_starts(index, offsets, options.include_last_offset);
  const auto words = index.to_vector<std::int64_t>();
  const std::int64_t padding = options.padding_idx ? (*options.padding_idx + rows) % rows : -1;
  std::vector<std::int64_t> kept;  // positions in the index
  std::vector<std::int64_t> kept_words;
  std::vector<std::int64_t> bags;
  const std::int64_t count = static_cast<std::int64_t>(starts.size()) - 1;
  std::vector<double> sizes(static_cast<std::size_t>(count), 0.0);
  for (std::int64_t bag = 0; bag < count; ++bag) {
    for (std::int64_t i = starts[static_cast<std::size_t>(bag)]; i < starts[static_cast<std::size_t>(bag) + 1]; ++i) {
      const std::int64_t word = words[static_cast<std::size_t>(i)];
      require<IndexError>(word >= 0 && word < rows, kName, ": expected indices in [0, ", rows, ") but got ", word,
                          " at position ", i);
      if (word != padding) {
        kept.push_back(i);
        kept_words.push_back(word);
        bags.push_back(bag);
        ++sizes[static_cast<std::size_t>(bag)];
      }
    }
  }
  const auto n = static_cast<std::int64_t>(kept.size());
  const Tensor bag_of = from_vector(bags, {n});
  Tensor vectors = index_select(weight, 0, from_vector(kept_words, {n}));
  if (per_sample_weights.defined()) {
    const Tensor factors = reshape_to(per_sample_weights, {index.numel()});
    vectors = mul(vectors, unsqueeze(index_select(factors, 0, from_vector(kept, {n})), 1));
  }
  const Shape shape{count, weight.size(1)};
  if (options.mode == "max") {
    const Tensor cells = expand_to(unsqueeze(bag_of, 1), {n, weight.size(1)});
    return scatter_reduce(zeros(shape, {.dtype = weight.dtype()}), 0, cells, vectors, "amax", false);
  }
  const Tensor sums = detail::add_rows(shape, 0, bag_of, vectors);
  if (options.mode == "sum") {
    return sums;
  }
  return div(sums, unsqueeze(to(clamp(from_vector(sizes, {count}), 1.0, {}), weight.dtype()), 1));
}

}  // namespace normgrad
