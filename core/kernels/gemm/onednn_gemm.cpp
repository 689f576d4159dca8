#include "normgrad/core/kernels/gemm/onednn_gemm.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include "normgrad/core/base/error.hpp"

namespace normgrad::kernels::onednn {

std::string version() {
  const auto isa = static_cast<unsigned>(dnnl_get_effective_cpu_isa());
  const auto name = [isa]() -> std::string {
    switch (isa) {
      case dnnl_cpu_isa_sse41:
        return "sse41";
      case dnnl_cpu_isa_avx:
        return "avx";
      case dnnl_cpu_isa_avx2:
        return "avx2";
      case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
      case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
      case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_core_vnni";
      case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_core_bf16";
      case dnnl_cpu_isa_avx512_core_amx:
        return "avx512_core_amx";
      default:
        return "isa " + std::to_string(isa);
    }
  };
  const dnnl_version_t* const v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch) + " " + name();
}

void sgemm(const GemmShape& s, float alpha, const float* a, const float* b, float beta, float* c) {
  const dnnl_status_t status = dnnl_sgemm(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.m, s.n, s.k, alpha, a,
                                          s.lda, b, s.ldb, beta, c, s.ldc);
  require<Error>(status == dnnl_success, "oneDNN: sgemm of ", s.m, "x", s.n, "x", s.k, " failed with status ",
                 static_cast<int>(status));
}

}  // namespace normgrad::kernels::onednn
