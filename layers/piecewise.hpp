// Activation functions made of pieces, as modules. The formulas are documented in
// core/ops/elementwise/piecewise.hpp.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// x limited to [min_val, max_val].
class Hardtanh : public Module {
 public:
  /// Throws ValueError unless min_val < max_val.
  explicit Hardtanh(double min_val = -1.0, double max_val = 1.0);
  NORMGRAD_DECLARE_MEMBERS(Hardtanh)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double min_val_;
  double max_val_;
};

/// x limited to [0, 6].
class ReLU6 : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(ReLU6)
  Tensor forward(const Tensor& x) override;
};

/// relu6(x + 3) / 6.
class Hardsigmoid : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Hardsigmoid)
  Tensor forward(const Tensor& x) override;
};

/// x relu6(x + 3) / 6.
class Hardswish : public Module {
 public:
  NORMGRAD_DECLARE_MEMBERS(Hardswish)
  Tensor forward(const Tensor& x) override;
};

/// 0 for |x| <= lambd, else x.
class Hardshrink : public Module {
 public:
  /// Throws ValueError for lambd < 0.
  explicit Hardshrink(double lambd = 0.5);
  NORMGRAD_DECLARE_MEMBERS(Hardshrink)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double lambd_;
};

/// 0 for |x| <= lambd, else x moved towards 0 by lambd.
class Softshrink : public Module {
 public:
  /// Throws ValueError for lambd < 0.
  explicit Softshrink(double lambd = 0.5);
  NORMGRAD_DECLARE_MEMBERS(Softshrink)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double lambd_;
};

/// x for x > threshold, else value.
class Threshold : public Module {
 public:
  Threshold(double threshold, double value) : threshold_(threshold), value_(value) {}  ///< the limit; the value below
  NORMGRAD_DECLARE_MEMBERS(Threshold)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double threshold_;
  double value_;
};

/// Options of a PReLU. Names and defaults are PyTorch's.
struct PReLUOptions {
  std::int64_t num_parameters = 1;  ///< 1, or the number of channels
  double init = 0.25;               ///< initial value of the weight
  DType dtype = kFloat32;           ///< dtype of the weight
};

/// x for x > 0, else weight x, with a learned weight for all elements or for each channel of [N, C, ...].
class PReLU : public Module {
 public:
  /// Throws ValueError unless num_parameters is positive.
  explicit PReLU(PReLUOptions options = {});
  NORMGRAD_DECLARE_MEMBERS(PReLU)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

  Parameter weight;  ///< [num_parameters]
};

/// x for x > 0, else slope x: in training with a random slope per element from default_generator(), otherwise with the
/// mean slope.
class RReLU : public Module {
 public:
  /// Slopes are between lower and upper. Throws ValueError unless lower <= upper.
  explicit RReLU(double lower = 1.0 / 8, double upper = 1.0 / 3);
  NORMGRAD_DECLARE_MEMBERS(RReLU)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  double lower_;
  double upper_;
};

}  // namespace normgrad
