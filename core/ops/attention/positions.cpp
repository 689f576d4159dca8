#include "normgrad/core/ops/attention/positions.hpp"

#include <cmath>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

void check_positions(const char* name, std::int64_t offset, double base) {
  require<ValueError>(offset >= 0, name, ": expected offset >= 0 but got ", offset);
  require<ValueError>(base > 0.0 && std::isfinite(base), name, ": expected base > 0 but got ", base);
}

// f(angle of position offset + row and pair) as [length, pairs], computed in double.
template <class F>
Tensor of_angles(std::int64_t length, std::int64_t pairs, std::int64_t features, std::int64_t offset, double base,
                 DType dtype, const F& f) {
  Tensor y = Tensor::empty({length, pairs}, dtype);
  dispatch_float("positions", dtype, [&](auto zero) {
    using T = decltype(zero);
    T* to = y.mutable_data<T>();
    for (std::int64_t i = 0; i < length * pairs; ++i) {
      const double exponent = 2.0 * static_cast<double>(i % pairs) / static_cast<double>(features);
      const std::int64_t position = offset + i / pairs;
      to[i] = static_cast<T>(f(static_cast<double>(position) / std::pow(base, exponent)));
    }
  });
  return y;
}

}  // namespace

Tensor sinusoidal_positions(std::int64_t length, std::int64_t features, const SinusoidalOptions& o) {
  constexpr const char* kName = "sinusoidal_positions";
  require<ValueError>(length >= 0, kName, ": expected length >= 0 but got ", length);
  require<ValueError>(features > 0, kName, ": expected features > 0 but got ", features);
  check_positions(kName, o.offset, o.base);
  const std::int64_t pairs = (features + 1) / 2;
  const auto part = [&](double (*f)(double)) {
    return of_angles(length, pairs, features, o.offset, o.base, o.dtype, f);
  };
  const Tensor both = reshape_to(stack({part(&std::sin), part(&std::cos)}, 2), {length, 2 * pairs});
  return 2 * pairs == features ? both : narrow(both, 1, 0, features);
}

Tensor rotary_embedding(const Tensor& x, const RotaryOptions& o) {
  constexpr const char* kName = "rotary_embedding";
  detail::check_float(kName, x);
  require<ShapeError>(x.dim() >= 2 && x.size(-1) % 2 == 0, kName, ": expected an input [*, L, E] with E even but got ",
                      x.shape());
  check_positions(kName, o.offset, o.base);
  const std::int64_t length = x.size(-2);
  const std::int64_t pairs = x.size(-1) / 2;
  const auto part = [&](double (*f)(double)) {
    return of_angles(length, pairs, 2 * pairs, o.offset, o.base, x.dtype(), f);
  };
  const Tensor cosine = part(&std::cos);
  const Tensor sine = part(&std::sin);
  if (!o.interleaved) {
    const Tensor a = narrow(x, -1, 0, pairs);
    const Tensor b = narrow(x, -1, pairs, pairs);
    return cat({a * cosine - b * sine, b * cosine + a * sine}, -1);
  }
  Shape in_pairs = x.shape();
  in_pairs[in_pairs.rank() - 1] = pairs;
  in_pairs.push_back(2);
  const Tensor xv = reshape_to(x, in_pairs);
  const Tensor a = select(xv, -1, 0);
  const Tensor b = select(xv, -1, 1);
  return reshape_to(stack({a * cosine - b * sine, b * cosine + a * sine}, -1), x.shape());
}

}  // namespace normgrad
