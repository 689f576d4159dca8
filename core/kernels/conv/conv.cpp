#include "normgrad/core/kernels/conv/conv.hpp"

#include <algorithm>
#include <type_traits>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/even_blocks.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/conv/onednn_conv.hpp"
#include "normgrad/core/kernels/conv/winograd.hpp"
#include "normgrad/core/kernels/elementwise/accumulate.hpp"
#include "normgrad/core/kernels/elementwise/unary.hpp"

namespace normgrad::kernels {

namespace {

using onednn::Convolution;
using onednn::ConvPass;

// The batch in pieces of `images`; the last one may be smaller.
struct Pieces {
  std::int64_t images;
  std::int64_t count;
  std::int64_t last;

  Pieces(std::int64_t n, std::int64_t size)
      : images(size), count((n + size - 1) / size), last(n - (count - 1) * size) {}
  std::int64_t size(std::int64_t i) const noexcept { return i + 1 == count ? last : images; }
};

constexpr std::int64_t kPieceBytes = 768 << 10;                 // of x and y: converted copies stay in the L2 cache
constexpr std::int64_t kConvPieceWork = std::int64_t{1} << 21;  // minimum multiplications of a task
constexpr std::int64_t kConvPieces = 8;

std::int64_t image_bytes(const ConvGeometry& g) {
  return std::max<std::int64_t>(1, (g.x_size() + g.y_size()) * static_cast<std::int64_t>(sizeof(float)));
}

Pieces cut_for_data(const ConvGeometry& g) {
  const std::int64_t tasks = std::clamp(g.work() / kConvPieceWork, std::int64_t{1}, kConvPieces);
  return {g.n, std::clamp(kPieceBytes / image_bytes(g), std::int64_t{1}, ceil_div(g.n, tasks))};
}

// Every piece has its own weight gradient, so use few of them if the weights are larger than the data.
Pieces cut_for_weight(const ConvGeometry& g) {
  const std::int64_t most = std::clamp(g.n * image_bytes(g) / (g.w_size() * static_cast<std::int64_t>(sizeof(float))),
                                       std::int64_t{2}, kConvPieces);
  return {g.n, ceil_div(g.n, std::clamp(g.work() / kConvPieceWork, std::int64_t{1}, most))};
}

ConvGeometry with_images(ConvGeometry g, std::int64_t images) {
  g.n = images;
  return g;
}

// oneDNN derives the size of y from that of x; other sizes result from output paddings larger than the stride.
bool has_description(const ConvGeometry& g) { return g.out == g.natural_out(); }

bool is_empty(const ConvGeometry& g) { return g.n == 0 || g.x_size() == 0 || g.y_size() == 0 || g.w_size() == 0; }

class FloatScratch {
 public:
  explicit FloatScratch(std::size_t floats) : buffer_(floats * sizeof(float)) {}
  float* get() const noexcept { return reinterpret_cast<float*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

void run_over_batch(const ConvGeometry& g, ConvPass pass, const float* from, const float* w, const float* bias,
                    float* to, bool relu = false) {
  const auto apply_relu = NORMGRAD_SIMD_SELECT(unary<float>);
  const Pieces pieces = cut_for_data(g);
  const bool forward = pass == ConvPass::forward;
  const std::int64_t from_size = forward ? g.x_size() : g.y_size();
  const std::int64_t to_size = forward ? g.y_size() : g.x_size();
  const auto main = Convolution::get(with_images(g, pieces.images), pass, bias != nullptr);
  const auto last =
      pieces.last == pieces.images ? main : Convolution::get(with_images(g, pieces.last), pass, bias != nullptr);
  const FloatScratch w_main(main->weight_floats());
  const FloatScratch w_last(last == main ? 0 : last->weight_floats());
  parallel_tasks(1, [&](std::int64_t) {
    main->pack_weight(w, w_main.get());
    if (last != main) {
      last->pack_weight(w, w_last.get());
    }
  });
  parallel_tasks(pieces.count, [&](std::int64_t i) {
    const bool is_main = pieces.size(i) == pieces.images;
    const std::int64_t begin = i * pieces.images;
    float* piece = to + begin * to_size;
    (is_main ? main : last)->run(from + begin * from_size, (is_main ? w_main : w_last).get(), bias, piece);
    if (relu) {  // while it is in the cache
      apply_relu(UnaryOp::relu, {}, piece, piece, pieces.size(i) * to_size);
    }
  });
}

void weight_over_batch(const ConvGeometry& g, const float* gy, const float* x, float* gw) {
  const Pieces pieces = cut_for_weight(g);
  const auto main = Convolution::get(with_images(g, pieces.images), ConvPass::backward_weight);
  const auto last =
      pieces.last == pieces.images ? main : Convolution::get(with_images(g, pieces.last), ConvPass::backward_weight);
  const auto size = static_cast<std::int64_t>(main->weight_floats());
  const FloatScratch partial(static_cast<std::size_t>(pieces.count * size));
  // The last piece may have another layout and is added separately.
  const FloatScratch odd(last == main ? 0 : last->weight_floats() + static_cast<std::size_t>(g.w_size()));
  parallel_tasks(pieces.count, [&](std::int64_t i) {
    const bool is_main = pieces.size(i) == pieces.images;
    (is_main ? main : last)
        ->run(gy + i * pieces.images * g.y_size(), x + i * pieces.images * g.x_size(), nullptr,
              is_main ? partial.get() + i * size : odd.get());
  });
  const std::int64_t whole = last == main ? pieces.count : pieces.count - 1;
  for (std::int64_t i = 1; i < whole; ++i) {
    accumulate(partial.get() + i * size, partial.get(), size);
  }
  parallel_tasks(1, [&](std::int64_t) {
    main->unpack_weight(partial.get(), gw);
    if (last != main) {
      float* plain = odd.get() + last->weight_floats();
      last->unpack_weight(odd.get(), plain);
      accumulate(plain, gw, g.w_size());
    }
  });
}

}  // namespace

ConvGeometry::Sizes ConvGeometry::natural_out() const noexcept {
  Sizes sizes{};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t room = in[i] + 2 * padding[i] - extent(i);
    sizes[i] = room < 0 ? 0 : room / stride[i] + 1;
  }
  return sizes;
}

template <class T>
void conv_forward(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y, bool relu) {
  if constexpr (std::is_same_v<T, float>) {
    if (winograd_serves(g)) {
      winograd_forward(g, x, w, bias, y, relu);
      return;
    }
    if (has_description(g) && !is_empty(g)) {
      run_over_batch(g, ConvPass::forward, x, w, bias, y, relu);
      return;
    }
  }
  unfolded::conv_forward(g, x, w, bias, y);
  if (relu) {
    unary(UnaryOp::relu, {}, y, y, g.n * g.y_size());
  }
}

template <class T>
void conv_backward_input(const ConvGeometry& g, const T* gy, const T* w, T* gx) {
  if constexpr (std::is_same_v<T, float>) {
    if (winograd_serves(g)) {
      winograd_backward_input(g, gy, w, gx);
      return;
    }
    if (has_description(g) && !is_empty(g)) {
      run_over_batch(g, ConvPass::backward_input, gy, w, nullptr, gx);
      return;
    }
  }
  unfolded::conv_backward_input(g, gy, w, gx);
}

template <class T>
void conv_backward_weight(const ConvGeometry& g, const T* gy, const T* x, T* gw) {
  if constexpr (std::is_same_v<T, float>) {
    if (winograd_serves(g)) {
      winograd_backward_weight(g, gy, x, gw);
      return;
    }
    if (has_description(g) && !is_empty(g)) {
      weight_over_batch(g, gy, x, gw);
      return;
    }
  }
  unfolded::conv_backward_weight(g, gy, x, gw);
}

template void conv_forward<float>(const ConvGeometry&, const float*, const float*, const float*, float*, bool);
template void conv_forward<double>(const ConvGeometry&, const double*, const double*, const double*, double*, bool);
template void conv_backward_input<float>(const ConvGeometry&, const float*, const float*, float*);
template void conv_backward_input<double>(const ConvGeometry&, const double*, const double*, double*);
template void conv_backward_weight<float>(const ConvGeometry&, const float*, const float*, float*);
template void conv_backward_weight<double>(const ConvGeometry&, const double*, const double*, double*);

}  // namespace normgrad::kernels
