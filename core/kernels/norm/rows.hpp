// Norms with statistics per sample: rows, and the samples of channels-last images, divided among the threads. The
// gradients of the parameters are summed in blocks of samples, which are merged in order. For the kernels of norm.hpp.
#pragma once

#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels {

/// Implements norm_forward and norm_backward. R is the arithmetic.
template <class T, class R>
void rows_forward(const RowGeometry& g, const RowPlan& plan, const NormForward<T>& a);
template <class T, class R>
void rows_backward(const RowGeometry& g, const RowPlan& plan, const NormBackward<T>& a);
template <class T, class R>
void pixels_forward(const ChannelsLastGeometry& g, const ChannelsLastPlan& plan, const NormForward<T>& a);
template <class T, class R>
void pixels_backward(const ChannelsLastGeometry& g, const ChannelsLastPlan& plan, const NormBackward<T>& a);

}  // namespace normgrad::kernels
