#include <algorithm>
#include <functional>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

namespace {

// In-place operations are not recorded, so they may not touch what a gradient is wanted for.
void check_not_recorded(const char* name, const Tensor& target, const Tensor* source = nullptr) {
  require<GraphError>(!is_grad_enabled() || !target.requires_grad(), name,
                      ": the tensor requires gradients and in-place changes are not recorded; use the operation that "
                      "returns a new tensor, or NoGradGuard");
  require<GraphError>(!is_grad_enabled() || source == nullptr || !source->requires_grad(), name,
                      ": the operand requires gradients and in-place changes are not recorded; detach() it, or use the "
                      "operation that returns a new tensor");
}

template <class F>
void combine(const char* name, Tensor& y, const Tensor& x, F f) {
  check_not_recorded(name, y, &x);
  require<ShapeError>(x.shape() == y.shape(), name, ": expected an operand of shape ", y.shape(), " but got ",
                      x.shape());
  require<DTypeError>(x.dtype() == y.dtype(), name, ": expected an operand of dtype ", y.dtype(), " but got ",
                      x.dtype());
  dispatch_all(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    std::transform(to, to + y.numel(), from, to, [&](T a, T b) { return static_cast<T>(f(a, b)); });
  });
}

template <class F>
void change(const char* name, Tensor& y, F f) {
  check_not_recorded(name, y);
  dispatch_all(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = y.mutable_data<T>();
    std::transform(to, to + y.numel(), to, [&](T a) { return static_cast<T>(f(a)); });
  });
}

}  // namespace

Tensor& Tensor::copy_(const Tensor& source) {
  if (source.dtype() != dtype()) {
    return copy_(source.detach().to(dtype()));
  }
  combine("copy_", *this, source, [](auto, auto b) { return b; });
  return *this;
}

Tensor& Tensor::fill_(double value) {
  change("fill_", *this, [value](auto a) { return static_cast<decltype(a)>(value); });
  return *this;
}

Tensor& Tensor::zero_() { return fill_(0.0); }

Tensor& Tensor::add_(const Tensor& other, double alpha) {
  combine("add_", *this, other, [alpha](auto a, auto b) { return a + static_cast<decltype(a)>(alpha) * b; });
  return *this;
}

Tensor& Tensor::sub_(const Tensor& other, double alpha) {
  combine("sub_", *this, other, [alpha](auto a, auto b) { return a - static_cast<decltype(a)>(alpha) * b; });
  return *this;
}

Tensor& Tensor::mul_(const Tensor& other) {
  combine("mul_", *this, other, [](auto a, auto b) { return a * b; });
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  change("mul_", *this, [factor](auto a) { return a * static_cast<decltype(a)>(factor); });
  return *this;
}

Tensor& Tensor::div_(double divisor) {
  change("div_", *this, [divisor](auto a) { return a / static_cast<decltype(a)>(divisor); });
  return *this;
}

}  // namespace normgrad
