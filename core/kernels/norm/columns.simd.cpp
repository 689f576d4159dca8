#include "normgrad/core/kernels/norm/columns_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

#define NORMGRAD_INSTANTIATE(T, R)                                                                             \
  template void norm_columns_forward_task<T, R>(const ChannelGeometry&, const NormForward<T>&, std::int64_t,   \
                                                std::int64_t);                                                 \
  template void norm_columns_backward_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, std::int64_t, \
                                                 std::int64_t);                                                \
  template void norm_columns_sums_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, double*);         \
  template void norm_columns_gradient_task<T, R>(const ChannelGeometry&, const NormBackward<T>&, const double*, double);
NORMGRAD_INSTANTIATE(float, float)
NORMGRAD_INSTANTIATE(float, double)
NORMGRAD_INSTANTIATE(double, double)
#undef NORMGRAD_INSTANTIATE

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
