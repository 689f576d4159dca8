// Scaled dot-product attention in tiles: no array of queries x keys exists at any time. Forward: the online softmax of
// Milakov and Gimelshein, 2018. Backward: recomputation of the tiles, as in Dao et al., "FlashAttention: fast and
// memory-efficient exact attention with IO-awareness", 2022.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// q: [heads, queries, features], k: [heads / group, keys, features], v: [heads / group, keys, values],
/// y: [heads, queries, values]. Query head h reads head h / group of k and v.
struct AttentionGeometry {
  std::int64_t heads;
  std::int64_t group;
  std::int64_t queries;
  std::int64_t keys;
  std::int64_t features;
  std::int64_t values;
  double scale;
  bool causal;  ///< query i sees keys 0 to i
};

/// The mask of (head h, query i, key j) is element offsets[h] + i * row_step + j * column_step. At most one of
/// `allowed` and `added` is not null.
template <class T>
struct AttentionMask {
  const bool* allowed = nullptr;
  const T* added = nullptr;
  const std::int64_t* offsets = nullptr;
  std::int64_t row_step = 0;
  std::int64_t column_step = 0;  ///< 0 or 1
};

/// Element e of an array [heads, queries, keys] of weights is dropped if number `position + e` of the stream of `seed`
/// is below `limit`; the others are multiplied by `kept_scale`.
struct AttentionDropout {
  std::uint64_t limit = 0;  ///< out of 2^32; 0: no dropout
  std::uint64_t seed = 0;
  std::uint64_t position = 0;
  double kept_scale = 1.0;
};

/// y = dropout(softmax(scale * q k^T + mask)) v. T: float or double.
template <class T>
struct AttentionForward {
  const T* q;
  const T* k;
  const T* v;
  AttentionMask<T> mask;
  AttentionDropout dropout;
  T* y;
  double* largest;         ///< [heads * queries]: the largest score of each query, 0 if it sees no key
  double* reciprocal_sum;  ///< [heads * queries]: 1 / sum(exp(score - largest)), 0 if it sees no key
};
template <class T>
void attention_forward(const AttentionGeometry& g, const AttentionForward<T>& a);

/// The gradients of attention_forward(); null for those that are not needed.
template <class T>
struct AttentionBackward {
  const T* gy;
  const T* q;
  const T* k;
  const T* v;
  const T* y;
  AttentionMask<T> mask;
  AttentionDropout dropout;
  const double* largest;
  const double* reciprocal_sum;
  T* gq;
  T* gk;
  T* gv;
};
template <class T>
void attention_backward(const AttentionGeometry& g, const AttentionBackward<T>& a);

// Functions of one tile of scores: `rows` queries, each with `columns` contiguous keys, `step` elements apart.
NORMGRAD_SIMD_DECLARE(
    // Masked scores become -infinity; `added` is added.
    template <class T>
    void attention_mask(T* s, std::int64_t step, std::int64_t rows, std::int64_t columns, const bool* allowed,
                        const T* added, std::int64_t row_step, std::int64_t column_step);
    // s = exp(s - m), where m is the largest score of the row so far. Updates `largest`, multiplies `sum` by
    // exp(old largest - m), which goes to `factor`, and adds the row.
    template <class T> void attention_online_softmax(T* s, std::int64_t step, std::int64_t rows, std::int64_t columns,
                                                     double* largest, double* sum, T* factor);
    // s = exp(s - largest) * reciprocal_sum.
    template <class T> void attention_weights(T* s, std::int64_t step, std::int64_t rows, std::int64_t columns,
                                              const double* largest, const double* reciprocal_sum);
    // gs = p * (gs - delta).
    template <class T> void attention_score_gradient(const T* p, T* gs, std::int64_t step, std::int64_t rows,
                                                     std::int64_t columns, const double* delta);
    // y = factor * y per row of `columns` elements.
    template <class T> void attention_scale_rows(T* y, std::int64_t rows, std::int64_t columns, const T* factor);
    // delta = sum(gy * y) per row of `columns` elements.
    template <class T>
    void attention_dots(const T* gy, const T* y, std::int64_t rows, std::int64_t columns, double* delta);
    // s = s * t.
    template <class T> void attention_multiply(T* s, const T* t, std::int64_t n);)

}  // namespace normgrad::kernels
