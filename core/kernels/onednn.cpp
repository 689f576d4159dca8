#include "normgrad/core/kernels/onednn.hpp"

#include <oneapi/dnnl/dnnl.h>

#include "normgrad/core/base/error.hpp"

namespace normgrad::kernels::onednn {

void sgemm(const GemmShape& s, float alpha, const float* a, const float* b, float beta, float* c) {
  const dnnl_status_t status = dnnl_sgemm(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.m, s.n, s.k, alpha, a,
                                          s.lda, b, s.ldb, beta, c, s.ldc);
  require<Error>(status == dnnl_success, "oneDNN: sgemm of ", s.m, "x", s.n, "x", s.k, " failed with status ",
                 static_cast<int>(status));
}

}  // namespace normgrad::kernels::onednn
