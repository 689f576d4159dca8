// Linear: y = x weight^T + bias.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module.hpp"

namespace normgrad {

namespace detail {
struct ActivationKind;
}

/// Options of a Linear; names and defaults are PyTorch's.
struct LinearOptions {
  bool bias = true;                ///< whether a number per result is added
  DType dtype = kFloat32;          ///< of the parameters
  Generator* generator = nullptr;  ///< of the starting values; null: default_generator()
};

/// x: [*, in_features] -> [*, out_features]. Starts uniform in +-1 / sqrt(in_features), weight and bias.
class Linear : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  NORMGRAD_MEMBERS(Linear, weight, bias)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

  /// (*this)(f(x)) as one operation; for containers, when nobody asks to see f(x).
  Tensor call_after(const detail::ActivationKind& f, const Tensor& x);

  /// As constructed.
  std::int64_t in_features() const noexcept { return in_features_; }
  std::int64_t out_features() const noexcept { return out_features_; }
  /// Draws new starting values.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [out_features, in_features]
  Parameter bias;    ///< [out_features]; undefined without bias

 private:
  std::int64_t in_features_;
  std::int64_t out_features_;
};

}  // namespace normgrad
