// What the library uses of oneDNN. Its versions (2.6 on Debian 12, 3 on Debian 13) differ; only onednn.cpp knows.
// Every function here computes on the calling thread: call it from within parallel_tasks().
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "normgrad/core/kernels/conv.hpp"
#include "normgrad/core/kernels/gemm.hpp"

namespace normgrad::kernels::onednn {

/// "2.6.0 avx512_core": its version, and the best instruction set that it may use here (ONEDNN_MAX_CPU_ISA limits it).
std::string version();

void sgemm(const GemmShape& shape, float alpha, const float* a, const float* b, float beta, float* c);

enum class ConvPass { forward, backward_input, backward_weight };

/// One pass of a convolution in the memory layout that is fastest for it. x and y are handed over as they lie in a
/// tensor; the weights are converted once for many runs. Immutable: may run on several threads at once.
class Convolution {
 public:
  /// From a cache by geometry, pass and presence of a bias (forward only).
  static std::shared_ptr<const Convolution> get(const ConvGeometry& geometry, ConvPass pass, bool bias = false);
  Convolution(const ConvGeometry& geometry, ConvPass pass, bool bias);
  Convolution(const Convolution&) = delete;
  Convolution& operator=(const Convolution&) = delete;
  ~Convolution();

  /// Floats that the weights take in the layout of run().
  std::size_t weight_floats() const;
  void pack_weight(const float* w, float* packed) const;
  void unpack_weight(const float* packed, float* w) const;

  /// forward: (x, w, bias, y); backward_input: (gy, w, null, gx); backward_weight: (gy, x, null, gw), w and gw packed.
  void run(const float* first, const float* second, const float* bias, float* result) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normgrad::kernels::onednn
