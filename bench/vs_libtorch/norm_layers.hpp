// normgrad's norm layers for cases.hpp.
#pragma once

#include <memory>
#include <string>
#include <normgrad/normgrad.hpp>

#include "cases.hpp"

namespace bench {

inline std::unique_ptr<normgrad::Module> make_layer(const NormCase& c) {
  const std::string layer = c.layer;
  const std::int64_t channels = c.shape[1];
  if (layer == "BatchNorm1d") {
    return std::make_unique<normgrad::BatchNorm1d>(channels);
  }
  if (layer == "BatchNorm2d") {
    return std::make_unique<normgrad::BatchNorm2d>(channels);
  }
  if (layer == "BatchNorm3d") {
    return std::make_unique<normgrad::BatchNorm3d>(channels);
  }
  if (layer == "LayerNorm") {
    return std::make_unique<normgrad::LayerNorm>(c.normalized);
  }
  if (layer == "GroupNorm") {
    return std::make_unique<normgrad::GroupNorm>(c.groups, channels);
  }
  return std::make_unique<normgrad::InstanceNorm2d>(
      channels, normgrad::InstanceNormOptions{.affine = true, .track_running_stats = c.tracked});
}

}  // namespace bench
