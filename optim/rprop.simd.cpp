#include "normgrad/optim/rprop.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// step *= etas[1] where g prev > 0; step *= etas[0] and g = 0 where g prev < 0; p -= sign(g) step; prev = g.
template <class T>
struct Update<T, RpropOptions> : Start<T> {
  T* previous;
  T* step_size;
  Batch<T> shrink;
  Batch<T> grow;
  Batch<T> smallest;
  Batch<T> largest;

  Update(const StepArrays<T>& a, const RpropOptions& o)
      : Start<T>(a, o.maximize, {}),
        previous(a.slots[0]),
        step_size(a.slots[1]),
        shrink(all<T>(element(o.etas, 0))),
        grow(all<T>(element(o.etas, 1))),
        smallest(all<T>(element(o.step_sizes, 0))),
        largest(all<T>(element(o.step_sizes, 1))) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> zero = all<T>(0.0);
    const Batch<T> x = at.get(this->p + i);
    const Batch<T> g = this->sign * at.get(this->gradient + i);
    const Batch<T> product = g * at.get(previous + i);
    const Batch<T> factor = xsimd::select(product > zero, grow, xsimd::select(product < zero, shrink, all<T>(1.0)));
    const Batch<T> wanted = factor * at.get(step_size + i);
    const Batch<T> size = xsimd::select(wanted < smallest, smallest, xsimd::select(wanted > largest, largest, wanted));
    const Batch<T> used = xsimd::select(product < zero, zero, g);
    // 0 and NaN stay unchanged.
    const Batch<T> direction = xsimd::select(used > zero, all<T>(1.0), xsimd::select(used < zero, all<T>(-1.0), used));
    at.put(step_size + i, size);
    at.put(previous + i, used);
    at.put(this->p + i, x - direction * size);
  }
};

NORMGRAD_OPTIMIZER_STEP(RpropOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
