// Shared code of the norms that are composed of tensor operations.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

class Module;

namespace detail {

/// Throws ShapeError unless x has `channels` elements on the axis, which may be negative, and DTypeError unless x is
/// float32 or float64 and has the dtype of `own`, if that is defined.
void check_channel_axis(const Module& layer, const Tensor& x, std::int64_t axis, std::int64_t channels,
                        const Tensor& own);
/// check_channel_axis() for any number of channels.
void check_vectors(const Module& layer, const Tensor& x, std::int64_t axis, const Tensor& own);
/// check_channel_axis() for inputs [N, C, *] of at least `min_rank` and at most 5 axes.
void check_images(const Module& layer, const Tensor& x, std::int64_t min_rank, std::int64_t channels,
                  const Tensor& own);
/// Throws ValueError unless num_features > 0. `type` is the layer's name.
void check_num_features(const char* type, std::int64_t num_features);

/// Returns values, [C] or one, in a shape that broadcasts to x along the axis, converted to the dtype.
Tensor along_axis(const Tensor& values, const Tensor& x, std::int64_t axis, DType dtype);
/// Returns y * weight + bias, both along the axis. Undefined parameters are skipped.
Tensor apply_affine(const Tensor& y, const Tensor& weight, const Tensor& bias, std::int64_t axis);
/// The axes of x: [N, C, *] after the second.
Axes position_axes(const Tensor& x);
/// Returns x as [N, C, *] with the axis second; undefined if x does not have the axis.
Tensor channels_second(const Tensor& x, std::int64_t axis);

/// Returns 32, or the largest smaller number that divides the channels.
std::int64_t automatic_groups(std::int64_t num_channels);

/// Fills the parameter, if it is defined, without recording.
void refill(Tensor& parameter, double value);

}  // namespace detail

}  // namespace normgrad
