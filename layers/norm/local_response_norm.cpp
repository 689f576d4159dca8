#include "normgrad/layers/norm/local_response_norm.hpp"

#include "normgrad/core/ops/detail/epilogue.hpp"
#include "normgrad/core/ops/norm/norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(LocalResponseNorm)

LocalResponseNorm::LocalResponseNorm(std::int64_t size, const LocalResponseNormOptions& options)
    : size_(size), options_(options) {
  require<ValueError>(size > 0, "LocalResponseNorm: expected size > 0 but got ", size);
}

std::string LocalResponseNorm::extra_repr() const {
  return detail::concat(size_, ", alpha=", options_.alpha, ", beta=", options_.beta, ", k=", options_.k);
}

Tensor LocalResponseNorm::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  return detail::apply_epilogue(epilogue, local_response_norm(x, size_, options_.alpha, options_.beta, options_.k));
}

}  // namespace normgrad
