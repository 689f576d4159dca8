// Activation functions as modules. The formulas are documented in core/ops/elementwise/activation.hpp and
// core/ops/reduction/softmax.hpp.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// max(x, 0).
class ReLU : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(ReLU)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// x for x > 0, else negative_slope * x.
class LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope_(negative_slope) {}  ///< slope for x < 0
  NORMGRAD_DECLARE_MEMBERS(LeakyReLU)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double negative_slope_;
};

/// x for x > 0, else alpha * (exp(x) - 1).
class ELU : public Module {
 public:
  explicit ELU(double alpha = 1.0) : alpha_(alpha) {}  ///< -alpha is the limit as x goes to minus infinity
  NORMGRAD_DECLARE_MEMBERS(ELU)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double alpha_;
};

/// ELU with the constants of self-normalizing networks; see selu().
class SELU : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(SELU)
  Tensor forward(const Tensor& x) override;
};

/// x * Phi(x), the exact form.
class GELU : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(GELU)
  Tensor forward(const Tensor& x) override;
};

/// x * sigmoid(x).
class SiLU : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(SiLU)
  Tensor forward(const Tensor& x) override;
};

/// 1 / (1 + exp(-x)).
class Sigmoid : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Sigmoid)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// tanh(x).
class Tanh : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Tanh)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// log(1 + exp(beta x)) / beta; x itself where beta x > threshold.
class Softplus : public Module {
 public:
  /// Throws ValueError unless beta > 0.
  explicit Softplus(double beta = 1.0, double threshold = 20.0);
  NORMGRAD_DECLARE_MEMBERS(Softplus)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double beta_;
  double threshold_;
};

/// exp(x) / sum(exp(x)) along an axis.
class Softmax : public Module {
 public:
  explicit Softmax(std::int64_t dim) : dim_(dim) {}  ///< the axis; -1 is the last
  NORMGRAD_DECLARE_MEMBERS(Softmax)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t dim_;
};

/// log(Softmax(x)), computed without the loss of precision of taking the log of the softmax.
class LogSoftmax : public Module {
 public:
  explicit LogSoftmax(std::int64_t dim) : dim_(dim) {}  ///< the axis; -1 is the last
  NORMGRAD_DECLARE_MEMBERS(LogSoftmax)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t dim_;
};

}  // namespace normgrad
