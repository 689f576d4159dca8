// Operations with deliberately wrong backwards, which a gradient checker and every test based on one must reject.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "normgrad/core/autograd/function.hpp"

namespace normgrad::tests {

/// Five errors found in published backwards of normalizations, and none.
enum class NormFault { none, zero, no_rstd, no_variance_term, variance_sign, no_mean_term };

inline constexpr std::array kNormFaults = {NormFault::zero, NormFault::no_rstd, NormFault::no_variance_term,
                                           NormFault::variance_sign, NormFault::no_mean_term};

inline std::string fault_name(NormFault fault) {
  constexpr std::array names = {"none", "zero", "no_rstd", "no_variance_term", "variance_sign", "no_mean_term"};
  return names[static_cast<std::size_t>(fault)];
}

/// Each row of x [rows, n] (float64) minus its mean, over its standard deviation, with a backward that has the fault.
inline Tensor faulty_norm(const Tensor& x, NormFault fault, double eps = 1e-5) {
  struct RowStatistics {
    double mean = 0.0;
    double rstd = 0.0;
  };
  const auto statistics = [eps](const double* p, std::int64_t n) {
    const auto count = static_cast<double>(n);
    double mean = 0.0;
    double variance = 0.0;
    for (std::int64_t i = 0; i < n; ++i) {
      mean += p[i] / count;
    }
    for (std::int64_t i = 0; i < n; ++i) {
      variance += (p[i] - mean) * (p[i] - mean) / count;
    }
    return RowStatistics{mean, 1.0 / std::sqrt(variance + eps)};
  };
  return apply_function(
      "faulty_norm", {x},
      [statistics](const std::vector<Tensor>& in) {
        Tensor y = Tensor::empty(in[0].shape(), kFloat64);
        const std::int64_t n = in[0].size(-1);
        for (std::int64_t r = 0; r < in[0].numel() / n; ++r) {
          const double* p = in[0].data<double>() + r * n;
          const RowStatistics row = statistics(p, n);
          for (std::int64_t i = 0; i < n; ++i) {
            y.mutable_data<double>()[r * n + i] = (p[i] - row.mean) * row.rstd;
          }
        }
        return y;
      },
      [statistics, fault](const std::vector<Tensor>& in, const Tensor& y, const Tensor& gy) {
        Tensor gx = Tensor::empty(y.shape(), kFloat64);
        const std::int64_t n = y.size(-1);
        const auto count = static_cast<double>(n);
        for (std::int64_t r = 0; r < y.numel() / n; ++r) {
          const RowStatistics row = statistics(in[0].data<double>() + r * n, n);
          const double* xhat = y.data<double>() + r * n;
          const double* g = gy.data<double>() + r * n;
          double mean_term = 0.0;
          double variance_term = 0.0;
          for (std::int64_t i = 0; i < n; ++i) {
            mean_term += g[i] / count;
            variance_term += g[i] * xhat[i] / count;
          }
          mean_term = fault == NormFault::no_mean_term ? 0.0 : mean_term;
          variance_term = fault == NormFault::no_variance_term ? 0.0 : variance_term;
          variance_term = fault == NormFault::variance_sign ? -variance_term : variance_term;
          const double factor = fault == NormFault::zero ? 0.0 : fault == NormFault::no_rstd ? 1.0 : row.rstd;
          for (std::int64_t i = 0; i < n; ++i) {
            gx.mutable_data<double>()[r * n + i] = factor * (g[i] - mean_term - xhat[i] * variance_term);
          }
        }
        return std::vector{gx};
      });
}

}  // namespace normgrad::tests
