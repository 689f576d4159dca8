#include "normgrad/core/kernels/elementwise/binary.hpp"

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// Every operation is rounded once, so the remaining elements of a row get the same bits as a full vector.
struct Add {
  template <class V>
  V operator()(const V& a, const V& b) const {
    return a + b;
  }
};
struct Sub {
  template <class V>
  V operator()(const V& a, const V& b) const {
    return a - b;
  }
};
struct Mul {
  template <class V>
  V operator()(const V& a, const V& b) const {
    return a * b;
  }
};
struct Weigh {
  template <class T>
  T operator()(T a, T b) const {
    return a == T(0) && (b == T(__builtin_huge_val()) || b == -T(__builtin_huge_val())) ? T(0) : a * b;
  }
  template <class T>
  Batch<T> operator()(const Batch<T>& a, const Batch<T>& b) const {
    const Batch<T> zero(T(0));
    return xsimd::select((a == zero) & (xsimd::abs(b) == Batch<T>(T(__builtin_huge_val()))), zero, a * b);
  }
};
struct Div {
  template <class V>
  V operator()(const V& a, const V& b) const {
    return a / b;
  }
};
struct Maximum {
  template <class T>
  T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
  template <class T>
  Batch<T> operator()(const Batch<T>& a, const Batch<T>& b) const {
    return xsimd::select((a > b) | is_nan<T>(a), a, b);
  }
};
struct Minimum {
  template <class T>
  T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
  template <class T>
  Batch<T> operator()(const Batch<T>& a, const Batch<T>& b) const {
    return xsimd::select((a < b) | is_nan<T>(a), a, b);
  }
};
struct LargerShare {
  template <class T>
  T operator()(T a, T b) const {
    return a > b ? T(1) : a == b ? T(0.5) : T(0);
  }
  template <class T>
  Batch<T> operator()(const Batch<T>& a, const Batch<T>& b) const {
    return xsimd::select(a > b, Batch<T>(T(1)), xsimd::select(a == b, Batch<T>(T(0.5)), Batch<T>(T(0))));
  }
};

template <class T, class F>
void row_of_two(const T* a, const T* b, T* y, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    store<T>(y + i, f(load(a + i), load(b + i)));
  }
  for (; i < n; ++i) {
    y[i] = f(a[i], b[i]);
  }
}

template <class T, class F>
void each_row(const BinaryRows<T>& r, F f) {
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const T* a = r.a + row * r.a_row;
    const T* b = r.b + row * r.b_row;
    T* y = r.y + row * r.n;
    if (r.a_walks && r.b_walks) {
      row_of_two(a, b, y, r.n, f);
    } else if (r.a_walks) {
      const T one = *b;
      const Batch<T> all(one);
      std::int64_t i = 0;
      for (; i + kLanes<T> <= r.n; i += kLanes<T>) {
        store<T>(y + i, f(load(a + i), all));
      }
      for (; i < r.n; ++i) {
        y[i] = f(a[i], one);
      }
    } else {
      const T one = *a;
      const Batch<T> all(one);
      std::int64_t i = 0;
      if (r.b_walks) {
        for (; i + kLanes<T> <= r.n; i += kLanes<T>) {
          store<T>(y + i, f(all, load(b + i)));
        }
      }
      for (; i < r.n; ++i) {
        y[i] = f(one, r.b_walks ? b[i] : *b);
      }
    }
  }
}

}  // namespace

template <class T>
void binary_rows(BinaryOp op, const BinaryRows<T>& rows) {
  switch (op) {
    case BinaryOp::add:
      return each_row(rows, Add{});
    case BinaryOp::sub:
      return each_row(rows, Sub{});
    case BinaryOp::mul:
      return each_row(rows, Mul{});
    case BinaryOp::weigh:
      return each_row(rows, Weigh{});
    case BinaryOp::div:
      return each_row(rows, Div{});
    case BinaryOp::maximum:
      return each_row(rows, Maximum{});
    case BinaryOp::minimum:
      return each_row(rows, Minimum{});
    case BinaryOp::larger_share:
      return each_row(rows, LargerShare{});
    case BinaryOp::pow:
      break;
  }
}

template void binary_rows<float>(BinaryOp, const BinaryRows<float>&);
template void binary_rows<double>(BinaryOp, const BinaryRows<double>&);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
