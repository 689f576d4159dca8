#include "normgrad/core/ops/elementwise/dropout.hpp"

#include <cmath>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/elementwise/mask.hpp"
#include "normgrad/core/kernels/memory/random.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"

namespace normgrad {

namespace {

// Linear in x and its own adjoint. Works in the memory format of x; the mask, which is small, is converted to it.
Tensor scale_masked(const Tensor& x, const Tensor& keep, double scale) {
  const Tensor mask = detail::match_format(keep, x);
  Tensor y = detail::empty_like_format(x, x.dtype());
  dispatch_float("dropout", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::scale_masked(x.physical_data<T>(), mask.physical_data<bool>(), static_cast<T>(scale),
                          y.mutable_physical_data<T>(), x.numel());
  });
  return record("dropout", std::move(y), {x},
                [keep, scale](const Tensor& gy, GradSink& into) { into.add(0, scale_masked(gy, keep, scale)); });
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator* generator) {
  require<ValueError>(p >= 0.0 && p <= 1.0, "dropout: expected p in [0, 1] but got ", p);
  require<DTypeError>(is_floating_point(x.dtype()), "dropout: expected a float32 or float64 tensor but got ",
                      x.dtype());
  if (!training || p == 0.0) {
    return x;
  }
  Tensor keep = Tensor::empty(x.shape(), kBool);
  const auto limit = static_cast<std::uint64_t>(std::ldexp(p, 32));  // out of 2^32 numbers
  kernels::fill_random<1>(keep.mutable_data<bool>(), x.numel(), generator == nullptr ? default_generator() : *generator,
                          [limit](const std::uint32_t* number) { return *number >= limit; });
  return scale_masked(x, keep, p == 1.0 ? 0.0 : 1.0 / (1.0 - p));
}

}  // namespace normgrad
