// What the library uses of oneDNN. Its versions (2.6 on Debian 12, 3 on Debian 13) differ; only onednn.cpp knows.
// Every function here computes on the calling thread: call it from within parallel_tasks().
#pragma once

#include "normgrad/core/kernels/gemm.hpp"

namespace normgrad::kernels::onednn {

void sgemm(const GemmShape& shape, float alpha, const float* a, const float* b, float beta, float* c);

}  // namespace normgrad::kernels::onednn
