// How a step walks over its arrays. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/base/simd_batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

// The last elements go through the same arithmetic as the others, so that all are rounded alike.
template <class T>
struct FullAccess {
  Batch<T> get(const T* p) const { return load(p); }
  void put(T* p, const Batch<T>& v) const { store(p, v); }
};
template <class T>
struct PartialAccess {
  std::int64_t n;
  Batch<T> get(const T* p) const { return load_partial(p, n); }
  void put(T* p, const Batch<T>& v) const { store_partial(p, v, n); }
};

/// Calls step(i, access) for the elements [begin, end), a register at a time.
template <class T, class Step>
inline void for_each_register(const Step& step, std::int64_t begin, std::int64_t end) {
  std::int64_t i = begin;
  for (; i + kLanes<T> <= end; i += kLanes<T>) {
    step(i, FullAccess<T>{});
  }
  if (i < end) {
    step(i, PartialAccess<T>{end - i});
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
