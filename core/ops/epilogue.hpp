// Epilogues: what an operation or a layer applies to its result before writing it (oneDNN: post-ops).
#pragma once

#include <cstdint>

namespace normgrad {

/// Activations that can be part of another operation because their derivative is a function of their result.
enum class FusedActivation { none, relu, sigmoid, tanh };

/// An activation, then max_pool2d over non-overlapping windows. Values and gradients are those of the separate
/// operations; when fused, the intermediate tensors are not written. The norms fuse ReLU, and with it the pooling if x:
/// [N, C, H, W] is channels-last.
struct Epilogue {
  FusedActivation activation = FusedActivation::none;  ///< applied first
  std::int64_t window_height = 0;                      ///< height of the pooling window; 0: no pooling
  std::int64_t window_width = 0;                       ///< width of the pooling window; 0: no pooling
  /// Set when a container offers the epilogue to a layer: max pooling without padding follows, which commutes with
  /// ReLU.
  bool pooling_follows = false;

  /// Whether there is pooling.
  bool pools() const noexcept { return window_height > 0; }
  /// Whether there is neither an activation nor pooling.
  bool is_empty() const noexcept { return activation == FusedActivation::none && !pools(); }
};

}  // namespace normgrad
