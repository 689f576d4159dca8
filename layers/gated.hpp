// Smooth and gated activation functions as modules. The formulas are documented in
// core/ops/elementwise/gated.hpp.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// x tanh(softplus(x)).
class Mish : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Mish)
  Tensor forward(const Tensor& x) override;
};

/// x for x > 0, else alpha * (exp(x / alpha) - 1).
class CELU : public Module {
 public:
  /// Throws ValueError for alpha = 0.
  explicit CELU(double alpha = 1.0);
  NORMGRAD_DECLARE_MEMBERS(CELU)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double alpha_;
};

/// log(sigmoid(x)).
class LogSigmoid : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(LogSigmoid)
  Tensor forward(const Tensor& x) override;
};

/// x / (1 + |x|).
class Softsign : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Softsign)
  Tensor forward(const Tensor& x) override;
};

/// x - tanh(x).
class Tanhshrink : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Tanhshrink)
  Tensor forward(const Tensor& x) override;
};

/// softmax(-x) along an axis.
class Softmin : public Module {
 public:
  explicit Softmin(std::int64_t dim) : dim_(dim) {}  ///< the axis; -1 is the last
  NORMGRAD_DECLARE_MEMBERS(Softmin)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t dim_;
};

/// a sigmoid(b) for the halves a and b of x along an axis.
class GLU : public Module {
 public:
  explicit GLU(std::int64_t dim = -1) : dim_(dim) {}  ///< the axis; -1 is the last
  NORMGRAD_DECLARE_MEMBERS(GLU)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t dim_;
};

}  // namespace normgrad
