// The initializers that work on whole matrices, and the truncated normal.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/init/init.hpp"

namespace normgrad {

namespace {

Generator& generator_of(Generator* generator) { return generator != nullptr ? *generator : default_generator(); }

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

// The quantile z <= 0 of the standard normal distribution for a probability p <= 1/2. Starts from the tail's asymptotic
// form, or from a straight line near 1/2, and refines it by Halley's method, which converges cubically.
double normal_quantile(double p) {
  if (p <= 0.0) {
    return -HUGE_VAL;
  }
  const double log_p = std::log(p);
  double z = p > 0.1 ? (p - 0.5) * 2.6 : -std::sqrt(-2.0 * log_p - std::log(std::max(1.0, -12.6 * log_p)));
  for (int i = 0; i < 6; ++i) {
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
    const double step = (normal_cdf(z) - p) / density;
    z -= step / (1.0 + 0.5 * z * step);
    if (std::fabs(step) <= 1e-15 * (1.0 + std::fabs(z))) {
      break;
    }
  }
  return z;
}

// Maps a uniform number to a standard normal truncated to [low, high]. low + high <= 0, so most of the interval is in
// the lower tail, where probabilities keep their precision.
double truncated_normal(double low, double high, double uniform) {
  const double p_low = normal_cdf(low);
  const double p_high = normal_cdf(high);
  const double p = p_low + (p_high - p_low) * uniform;
  const double z = p <= 0.5 ? normal_quantile(p) : -normal_quantile(1.0 - p);
  return std::clamp(z, low, high);
}

void check_matrix(const char* where, const Tensor& tensor) {
  require<ShapeError>(tensor.dim() == 2, where, ": expected a tensor of 2 axes but got ", tensor.shape());
}

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

// Orthonormalizes `count` contiguous vectors of n elements by Gram-Schmidt. Each vector is projected twice, which keeps
// them orthogonal up to rounding. The result equals Q of a QR decomposition with a positive diagonal of R, which makes
// it uniformly distributed (Mezzadri, "How to generate random matrices from the classical compact groups", 2007).
void orthonormalize(double* vectors, std::int64_t count, std::int64_t n) {
  for (std::int64_t i = 0; i < count; ++i) {
    double* v = vectors + i * n;
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t j = 0; j < i; ++j) {
        const double* u = vectors + j * n;
        const double along = dot(u, v, n);
        for (std::int64_t k = 0; k < n; ++k) {
          v[k] -= along * u[k];
        }
      }
    }
    const double length = std::sqrt(dot(v, v, n));
    for (std::int64_t k = 0; k < n; ++k) {
      v[k] /= length;
    }
  }
}

}  // namespace

void trunc_normal_(Tensor tensor, TruncNormalOptions options) {
  require<ValueError>(options.std > 0.0, "trunc_normal_: expected std > 0 but got ", options.std);
  require<ValueError>(options.a < options.b, "trunc_normal_: expected a < b but got ", options.a, " and ", options.b);
  Generator& from = generator_of(options.generator);
  double low = (options.a - options.mean) / options.std;
  double high = (options.b - options.mean) / options.std;
  const double sign = low + high > 0.0 ? -1.0 : 1.0;
  if (sign < 0.0) {
    std::swap(low, high);
    low = -low;
    high = -high;
  }
  dispatch_float("trunc_normal_", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = tensor.mutable_data<T>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      const double value = options.mean + sign * options.std * truncated_normal(low, high, from.uniform());
      values[i] = static_cast<T>(std::clamp(value, options.a, options.b));
    }
  });
}

void orthogonal_(Tensor tensor, OrthogonalOptions options) {
  require<ShapeError>(tensor.dim() >= 2, "orthogonal_: expected a tensor of at least 2 axes but got ", tensor.shape());
  if (tensor.numel() == 0) {
    return;
  }
  Generator& from = generator_of(options.generator);
  const std::int64_t rows = tensor.size(0);
  const std::int64_t columns = tensor.numel() / rows;
  const std::int64_t count = std::min(rows, columns);
  const std::int64_t n = std::max(rows, columns);
  std::vector<double> vectors(static_cast<std::size_t>(tensor.numel()));
  std::generate(vectors.begin(), vectors.end(), [&] { return from.normal(); });
  orthonormalize(vectors.data(), count, n);
  dispatch_float("orthogonal_", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = tensor.mutable_data<T>();
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) {
        const std::int64_t at = rows <= columns ? r * n + c : c * n + r;
        values[r * columns + c] = static_cast<T>(options.gain * vectors[static_cast<std::size_t>(at)]);
      }
    }
  });
}

void sparse_(Tensor tensor, double sparsity, SparseOptions options) {
  check_matrix("sparse_", tensor);
  require<ValueError>(sparsity >= 0.0 && sparsity <= 1.0, "sparse_: expected a sparsity in [0, 1] but got ", sparsity);
  require<ValueError>(options.std >= 0.0, "sparse_: expected std >= 0 but got ", options.std);
  Generator& from = generator_of(options.generator);
  const std::int64_t rows = tensor.size(0);
  const std::int64_t columns = tensor.size(1);
  const auto zeros = static_cast<std::int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  normal_(tensor, 0.0, options.std, &from);
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
  dispatch_float("sparse_", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = tensor.mutable_data<T>();
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::size_t r = 0; r < order.size(); ++r) {
        order[r] = static_cast<std::int64_t>(r);
      }
      for (std::int64_t k = 0; k < zeros; ++k) {  // a partial random permutation
        const auto other = k + static_cast<std::int64_t>(from.below(static_cast<std::uint64_t>(rows - k)));
        std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(other)]);
        values[order[static_cast<std::size_t>(k)] * columns + c] = T(0);
      }
    }
  });
}

void eye_(Tensor tensor) {
  check_matrix("eye_", tensor);
  const NoGradGuard no_grad;
  dispatch_float("eye_", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = tensor.mutable_data<T>();
    std::fill(values, values + tensor.numel(), T(0));
    for (std::int64_t i = 0; i < std::min(tensor.size(0), tensor.size(1)); ++i) {
      values[i * tensor.size(1) + i] = T(1);
    }
  });
}

void dirac_(Tensor weight, std::int64_t groups) {
  require<ShapeError>(weight.dim() >= 3 && weight.dim() <= 5, "dirac_: expected a tensor of 3, 4 or 5 axes but got ",
                      weight.shape());
  require<ValueError>(groups > 0 && weight.size(0) % groups == 0, "dirac_: expected groups that divide ",
                      weight.size(0), " but got ", groups);
  const Shape& shape = weight.shape();
  std::int64_t center = 0;
  std::int64_t taps = 1;
  for (std::size_t i = 2; i < shape.rank(); ++i) {
    center = center * shape[i] + shape[i] / 2;
    taps *= shape[i];
  }
  const std::int64_t per_group = shape[0] / groups;
  dispatch_float("dirac_", weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = weight.mutable_data<T>();
    std::fill(values, values + weight.numel(), T(0));
    for (std::int64_t out = 0; out < shape[0]; ++out) {
      const std::int64_t channel = out % per_group;
      if (channel < shape[1] && taps > 0) {
        values[(out * shape[1] + channel) * taps + center] = T(1);
      }
    }
  });
}

}  // namespace normgrad
