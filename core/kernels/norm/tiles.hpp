// A tall matrix [N, C] in tiles of rows, whose moments and sums are merged in order. For the kernels of norm.hpp.
#pragma once

#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels {

/// Implements norm_forward and norm_backward. R is the arithmetic.
template <class T, class R>
void tiles_forward(const ChannelGeometry& g, const ChannelPlan& plan, const NormForward<T>& a);
template <class T, class R>
void tiles_backward(const ChannelGeometry& g, const ChannelPlan& plan, const NormBackward<T>& a);

}  // namespace normgrad::kernels
