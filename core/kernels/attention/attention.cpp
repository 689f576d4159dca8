#include "normgrad/core/kernels/attention/attention.hpp"

#include <array>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/attention/tile.hpp"

namespace normgrad::kernels {

namespace {

using detail::blocks_of;
using detail::kKeyBlock;
using detail::kQueryBlock;
using detail::kTileSize;
using detail::TilePlace;
using detail::TileProducts;

// The rows of y of one block of queries.
template <class T>
void attend(const AttentionGeometry& g, const AttentionForward<T>& a, std::int64_t head, std::int64_t query_block,
            const TileProducts<T>& products, T* s, T* dropped) {
  const TilePlace first(g, head, query_block, 0);
  const std::int64_t row = head * g.queries + first.i;
  T* y = a.y + row * g.values;
  double* largest = a.largest + row;
  double* sum = a.reciprocal_sum + row;
  std::array<T, static_cast<std::size_t>(kQueryBlock)> factor;
  std::fill_n(largest, first.rows, -std::numeric_limits<double>::infinity());
  std::fill_n(sum, first.rows, 0.0);
  std::fill_n(y, first.rows * g.values, T(0));
  for (std::int64_t j = 0; j < blocks_of(g.keys, kKeyBlock); ++j) {
    const TilePlace at(g, head, query_block, j);
    if (g.causal && at.is_in_future()) {
      break;
    }
    detail::tile_scores(g, at, a.q, a.k, a.mask, products, s);
    NORMGRAD_SIMD_SELECT(attention_online_softmax<T>)
    (s, kKeyBlock, at.rows, at.columns, largest, sum, factor.data());
    if (j > 0) {
      NORMGRAD_SIMD_SELECT(attention_scale_rows<T>)(y, at.rows, g.values, factor.data());
    }
    if (a.dropout.limit > 0) {
      detail::tile_dropout(g, at, a.dropout, dropped);
      detail::drop_in_tile(at, dropped, s);
    }
    products.multiply({false, false, at.rows, g.values, at.columns, kKeyBlock, g.values, g.values}, T(1), s,
                      a.v + (head / g.group * g.keys + at.j) * g.values, true, y);
  }
  for (std::int64_t r = 0; r < first.rows; ++r) {
    const bool sees_none = largest[r] == -std::numeric_limits<double>::infinity();
    largest[r] = sees_none ? 0.0 : largest[r];
    sum[r] = sees_none ? 0.0 : 1.0 / sum[r];
    factor[static_cast<std::size_t>(r)] = static_cast<T>(sum[r]);
  }
  NORMGRAD_SIMD_SELECT(attention_scale_rows<T>)(y, first.rows, g.values, factor.data());
}

// Computes gradients tile by tile, in the memory of one task.
template <class T>
class TileGradients {
 public:
  TileGradients(const AttentionGeometry& g, const AttentionBackward<T>& a, const double* delta)
      : g_(g), a_(a), delta_(delta), tiles_(3 * kTileSize) {}

  // Adds the parts of the gradients that come from one tile; null: not computed.
  void add(const TilePlace& at, T* gq, T* gk, T* gv) {
    T* p = tiles_.get();
    T* gs = p + kTileSize;
    T* dropped = gs + kTileSize;
    const std::int64_t row = at.head * g_.queries + at.i;
    const std::int64_t key = at.head / g_.group * g_.keys + at.j;
    const bool drops = a_.dropout.limit > 0;
    detail::tile_scores(g_, at, a_.q, a_.k, a_.mask, products_, p);
    NORMGRAD_SIMD_SELECT(attention_weights<T>)
    (p, kKeyBlock, at.rows, at.columns, a_.largest + row, a_.reciprocal_sum + row);
    const T* gy = a_.gy + row * g_.values;
    if (drops) {
      detail::tile_dropout(g_, at, a_.dropout, dropped);
    }
    if (gq != nullptr || gk != nullptr) {
      products_.multiply({false, true, at.rows, at.columns, g_.values, g_.values, g_.values, kKeyBlock}, T(1), gy,
                         a_.v + key * g_.values, false, gs);
      if (drops) {
        detail::drop_in_tile(at, dropped, gs);
      }
      NORMGRAD_SIMD_SELECT(attention_score_gradient<T>)(p, gs, kKeyBlock, at.rows, at.columns, delta_ + row);
    }
    if (gv != nullptr) {
      if (drops) {
        detail::drop_in_tile(at, dropped, p);
      }
      products_.multiply({true, false, at.columns, g_.values, at.rows, kKeyBlock, g_.values, g_.values}, T(1), p, gy,
                         true, gv + key * g_.values);
    }
    const T scale = static_cast<T>(g_.scale);
    if (gq != nullptr) {
      products_.multiply({false, false, at.rows, g_.features, at.columns, kKeyBlock, g_.features, g_.features}, scale,
                         gs, a_.k + key * g_.features, true, gq + row * g_.features);
    }
    if (gk != nullptr) {
      products_.multiply({true, false, at.columns, g_.features, at.rows, kKeyBlock, g_.features, g_.features}, scale,
                         gs, a_.q + row * g_.features, true, gk + key * g_.features);
    }
  }

  // All tiles of one block of keys and the queries that share it, in the order of the queries.
  void add_keys(std::int64_t kv_head, std::int64_t key_block, T* gq, T* gk, T* gv) {
    for (std::int64_t h = kv_head * g_.group; h < (kv_head + 1) * g_.group; ++h) {
      for (std::int64_t i = 0; i < blocks_of(g_.queries, kQueryBlock); ++i) {
        const TilePlace at(g_, h, i, key_block);
        if (!g_.causal || !at.is_in_future()) {
          add(at, gq, gk, gv);
        }
      }
    }
  }

  // All tiles of one block of queries, in the order of the keys.
  void add_queries(std::int64_t head, std::int64_t query_block, T* gq) {
    for (std::int64_t j = 0; j < blocks_of(g_.keys, kKeyBlock); ++j) {
      const TilePlace at(g_, head, query_block, j);
      if (!g_.causal || !at.is_in_future()) {
        add(at, gq, nullptr, nullptr);
      }
    }
  }

 private:
  const AttentionGeometry& g_;
  const AttentionBackward<T>& a_;
  const double* delta_;
  Scratch<T> tiles_;
  TileProducts<T> products_;
};

}  // namespace

template <class T>
void attention_forward(const AttentionGeometry& g, const AttentionForward<T>& a) {
  const std::int64_t blocks = blocks_of(g.queries, kQueryBlock);
  parallel_for(g.heads * blocks, detail::blocks_per_task(g), [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> tiles(2 * kTileSize);
    const TileProducts<T> products;
    for (std::int64_t n = begin; n < end; ++n) {
      attend(g, a, n / blocks, n % blocks, products, tiles.get(), tiles.get() + kTileSize);
    }
  });
}

template <class T>
void attention_backward(const AttentionGeometry& g, const AttentionBackward<T>& a) {
  const std::int64_t rows = g.heads * g.queries;
  const std::int64_t kv_heads = g.heads / g.group;
  const std::int64_t key_blocks = blocks_of(g.keys, kKeyBlock);
  const std::int64_t query_blocks = blocks_of(g.queries, kQueryBlock);
  const std::int64_t grain = detail::blocks_per_task(g);
  const auto clear = [](T* x, std::int64_t n) {
    if (x != nullptr) {
      parallel_for(n, 65536, [=](std::int64_t begin, std::int64_t end) { std::fill(x + begin, x + end, T(0)); });
    }
  };
  clear(a.gq, rows * g.features);
  clear(a.gk, kv_heads * g.keys * g.features);
  clear(a.gv, kv_heads * g.keys * g.values);
  const Scratch<double> delta(rows);
  parallel_for(rows, 256, [&](std::int64_t begin, std::int64_t end) {
    NORMGRAD_SIMD_SELECT(attention_dots<T>)
    (a.gy + begin * g.values, a.y + begin * g.values, end - begin, g.values, delta.get() + begin);
  });
  // Both ways add the same tiles in the same order to every element, so that the choice does not affect the result. One
  // pass over the tiles computes fewer products, but only heads run in parallel.
  if (kv_heads >= std::int64_t{4} * get_num_threads() || get_num_threads() == 1) {
    const std::int64_t heads = std::max<std::int64_t>(1, grain / (query_blocks * g.group));
    parallel_for(kv_heads, heads, [&](std::int64_t begin, std::int64_t end) {
      TileGradients<T> gradients(g, a, delta.get());
      for (std::int64_t n = begin * key_blocks; n < end * key_blocks; ++n) {
        gradients.add_keys(n / key_blocks, n % key_blocks, a.gq, a.gk, a.gv);
      }
    });
    return;
  }
  if (a.gq != nullptr) {
    parallel_for(g.heads * query_blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      TileGradients<T> gradients(g, a, delta.get());
      for (std::int64_t n = begin; n < end; ++n) {
        gradients.add_queries(n / query_blocks, n % query_blocks, a.gq);
      }
    });
  }
  if (a.gk != nullptr || a.gv != nullptr) {
    parallel_for(kv_heads * key_blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      TileGradients<T> gradients(g, a, delta.get());
      for (std::int64_t n = begin; n < end; ++n) {
        gradients.add_keys(n / key_blocks, n % key_blocks, nullptr, a.gk, a.gv);
      }
    });
  }
}

template void attention_forward<float>(const AttentionGeometry&, const AttentionForward<float>&);
template void attention_forward<double>(const AttentionGeometry&, const AttentionForward<double>&);
template void attention_backward<float>(const AttentionGeometry&, const AttentionBackward<float>&);
template void attention_backward<double>(const AttentionGeometry&, const AttentionBackward<double>&);

}  // namespace normgrad::kernels
