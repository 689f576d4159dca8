// usage: bench_products
// Matrix products beside those of the BLAS that is linked (OpenBLAS where CMake finds it), on one thread: the ratio of
// their processor times, which other programs on the machine change little. The least of several alternating runs.
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <limits>
#include <utility>
#include <vector>

#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/simd/dispatch.hpp"

namespace {

using namespace normgrad;

struct Product {
  bool transpose_a, transpose_b;
  int m, n, k;
};

// Batches of 1 to 256 on layers of 64 to 4096 features: forward, gradient of the input, gradient of the weight; then
// attention, and cubes.
std::vector<Product> products() {
  std::vector<Product> all;
  for (const int batch : {1, 32, 256}) {
    for (const auto& [in, out] : {std::pair{784, 256}, {512, 512}, {1024, 4096}, {4096, 1024}}) {
      all.push_back({false, true, batch, out, in});
      all.push_back({false, false, batch, in, out});
      all.push_back({true, false, out, in, batch});
    }
  }
  all.push_back({false, true, 512, 512, 64});
  all.push_back({false, false, 512, 64, 512});
  for (const int size : {64, 128, 256, 512, 1024, 2048}) {
    for (const auto& [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}}) {
      all.push_back({ta, tb, size, size, size});
    }
  }
  return all;
}

double processor_time() {
  std::timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class F>
double seconds(const F& f) {
  const double start = processor_time();
  f();
  return processor_time() - start;
}

}  // namespace

int main() {
  set_num_threads(1);
  std::printf("kernels of %s\n%5s %5s %5s  transposed  GFLOP/s  of the BLAS  ratio\n", simd_name(simd_level()), "m",
              "n", "k");
  double sum_of_logs = 0.0;
  double worst = std::numeric_limits<double>::infinity();
  const std::vector<Product> all = products();
  for (const Product& p : all) {
    const kernels::GemmShape shape = kernels::GemmShape::dense(p.transpose_a, p.transpose_b, p.m, p.n, p.k);
    const std::vector<float> a(static_cast<std::size_t>(p.m) * static_cast<std::size_t>(p.k), 0.5F);
    const std::vector<float> b(static_cast<std::size_t>(p.k) * static_cast<std::size_t>(p.n), 0.25F);
    std::vector<float> c(static_cast<std::size_t>(p.m) * static_cast<std::size_t>(p.n));
    double ours = std::numeric_limits<double>::infinity();
    double blas = ours;
    double total = 0.0;
    for (int run = 0; run < 5 || (total < 0.3 && run < 2000); ++run) {
      const double first = seconds([&] { kernels::gemm<float>(shape, 1.0F, a.data(), b.data(), 0.0F, c.data()); });
      const double second = seconds([&] {
        cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
                    p.m, p.n, p.k, 1.0F, a.data(), static_cast<int>(shape.lda), b.data(), static_cast<int>(shape.ldb),
                    0.0F, c.data(), p.n);
      });
      ours = std::min(ours, first);
      blas = std::min(blas, second);
      total += first + second;
    }
    const double work = 2e-9 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
    const double ratio = blas / ours;
    sum_of_logs += std::log(ratio);
    worst = std::min(worst, ratio);
    std::printf("%5d %5d %5d  %10s  %7.1f  %11.1f  %5.2f\n", p.m, p.n, p.k,
                p.transpose_a ? "first" : (p.transpose_b ? "second" : "none"), work / ours, work / blas, ratio);
  }
  std::printf("geometric mean %.2f, worst %.2f\n", std::exp(sum_of_logs / static_cast<double>(all.size())), worst);
  return 0;
}
