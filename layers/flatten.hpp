// Flatten.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Flattens the axes from start_dim to end_dim, inclusive. By default [N, C, H, W] -> [N, C * H * W].
class Flatten : public Module {
 public:
  /// Both axes may be negative, which counts from the end.
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1) : start_dim_(start_dim), end_dim_(end_dim) {}
  NORMGRAD_DECLARE_MEMBERS(Flatten)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t start_dim_;
  std::int64_t end_dim_;
};

}  // namespace normgrad
