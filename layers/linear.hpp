// Linear: y = x weight^T + bias.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of a Linear. Names and defaults are PyTorch's.
struct LinearOptions {
  bool bias = true;                ///< whether to add a bias
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// x: [*, in_features] -> [*, out_features]. Weight and bias are initialized uniformly in +-1 / sqrt(in_features).
class Linear : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  NORMGRAD_DECLARE_MEMBERS(Linear)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

  /// Fuses relu, sigmoid or tanh of x into the product.
  Tensor call_after(FusedActivation activation, const Tensor& x) override;

  /// The constructor's arguments.
  std::int64_t in_features() const noexcept { return in_features_; }
  std::int64_t out_features() const noexcept { return out_features_; }
  /// Initializes the parameters again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [out_features, in_features]
  Parameter bias;    ///< [out_features]; undefined without bias

 private:
  std::int64_t in_features_;
  std::int64_t out_features_;
};

/// bilinear(a, b): [*, in1_features] and [*, in2_features] -> [*, out_features]. Weight and bias are initialized
/// uniformly in +-1 / sqrt(in1_features).
class Bilinear : public Module {
 public:
  /// Throws ValueError unless all sizes are positive.
  Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features, LinearOptions options = {});
  NORMGRAD_DECLARE_MEMBERS(Bilinear)
  NORMGRAD_CALL_FORWARD()
  std::string extra_repr() const override;
  /// See bilinear() for shapes.
  Tensor forward(const Tensor& a, const Tensor& b);

  /// Initializes the parameters again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [out_features, in1_features, in2_features]
  Parameter bias;    ///< [out_features]; undefined without bias
};

}  // namespace normgrad
