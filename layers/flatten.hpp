// Flatten.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Joins the axes from start_dim to end_dim, both included: by default [N, C, H, W] -> [N, C * H * W].
class Flatten : public Module {
 public:
  /// The axes from start_dim to end_dim, both included, become one.
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1) : start_dim_(start_dim), end_dim_(end_dim) {}
  NORMGRAD_MEMBERS(Flatten)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t start_dim_;
  std::int64_t end_dim_;
};

}  // namespace normgrad
