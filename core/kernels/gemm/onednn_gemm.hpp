// Interface to oneDNN's matrix products.
#pragma once

#include <string>

#include "normgrad/core/kernels/gemm/gemm.hpp"

namespace normgrad::kernels::onednn {

/// Returns "2.6.0 avx512_core": its version and the best instruction set it may use (limited by ONEDNN_MAX_CPU_ISA).
std::string version();

/// Computes a product with a vector (m or n is 1) on the calling thread: call it from within parallel_tasks(). Other
/// products of oneDNN 2.6 keep their stack pointer in a heap block, which a signal handler's frame would overwrite.
void sgemm(const GemmShape& shape, float alpha, const float* a, const float* b, float beta, float* c);

}  // namespace normgrad::kernels::onednn
