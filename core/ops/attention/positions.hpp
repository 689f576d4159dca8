// Positions of sequences for attention.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Options of sinusoidal_positions().
struct SinusoidalOptions {
  std::int64_t offset = 0;  ///< first position
  double base = 10000.0;    ///< ratio of the longest to the shortest wavelength
  DType dtype = kFloat32;   ///< of the result
};
/// [length, features] with sin(p / base^(2i / features)) at 2i and the cosine at 2i + 1 of position p. Vaswani et al.,
/// "Attention is all you need", 2017, section 3.5. Throws ValueError for a negative length or offset, features <= 0 and
/// base <= 0.
Tensor sinusoidal_positions(std::int64_t length, std::int64_t features, const SinusoidalOptions& options = {});

/// Options of rotary_embedding().
struct RotaryOptions {
  std::int64_t offset = 0;  ///< position of the first row
  double base = 10000.0;    ///< ratio of the longest to the shortest wavelength
  bool interleaved =
      false;  ///< pairs (2i, 2i + 1) as in the paper instead of (i, i + E / 2), which is the usual layout
};
/// Rotates each pair i of features of position p by the angle p / base^(2i / E). x: [*, L, E] with E even -> the same
/// shape. Applied to queries and keys, their products depend on the distance of positions only. Su et al., "RoFormer:
/// enhanced transformer with rotary position embedding", 2021. Differentiable to any order. Throws ShapeError for fewer
/// than 2 axes and an odd E, DTypeError unless x is floating point, and ValueError for a negative offset and base <= 0.
Tensor rotary_embedding(const Tensor& x, const RotaryOptions& options = {});

}  // namespace normgrad
