// Interface to oneDNN's convolutions. Its versions (2.6 on Debian 12, 3 on Debian 13) differ; only onednn_conv.cpp
// depends on them. All functions compute on the calling thread: call them from within parallel_tasks().
#pragma once

#include <cstddef>
#include <memory>

#include "normgrad/core/kernels/conv/conv.hpp"

namespace normgrad::kernels::onednn {

enum class ConvPass { forward, backward_input, backward_weight };

/// One pass of a convolution in its fastest memory layout. x and y are passed in the layout of the tensor; the weights
/// are converted once for many runs. Immutable, so it may run on several threads at once.
class Convolution {
 public:
  /// Returns a cached primitive by geometry, pass and presence of a bias (forward only).
  static std::shared_ptr<const Convolution> get(const ConvGeometry& geometry, ConvPass pass, bool bias = false);
  Convolution(const ConvGeometry& geometry, ConvPass pass, bool bias);
  Convolution(const Convolution&) = delete;
  Convolution& operator=(const Convolution&) = delete;
  ~Convolution();

  /// Number of floats of the weights in the layout of run().
  std::size_t weight_floats() const;
  void pack_weight(const float* w, float* packed) const;
  void unpack_weight(const float* packed, float* w) const;

  /// forward: (x, w, bias, y); backward_input: (gy, w, null, gx); backward_weight: (gy, x, null, gw). w and gw are
  /// packed.
  void run(const float* first, const float* second, const float* bias, float* result) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normgrad::kernels::onednn
