#include "normgrad/layers/gated.hpp"

#include "normgrad/core/ops/elementwise/gated.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Mish)
NORMGRAD_DEFINE_MEMBERS(CELU)
NORMGRAD_DEFINE_MEMBERS(LogSigmoid)
NORMGRAD_DEFINE_MEMBERS(Softsign)
NORMGRAD_DEFINE_MEMBERS(Tanhshrink)
NORMGRAD_DEFINE_MEMBERS(Softmin)
NORMGRAD_DEFINE_MEMBERS(GLU)

Tensor Mish::forward(const Tensor& x) { return mish(x); }

CELU::CELU(double alpha) : alpha_(alpha) {
  require<ValueError>(alpha != 0.0, "CELU: expected alpha other than 0 but got 0");
}
std::string CELU::extra_repr() const { return detail::concat("alpha=", alpha_); }
Tensor CELU::forward(const Tensor& x) { return celu(x, alpha_); }

Tensor LogSigmoid::forward(const Tensor& x) { return logsigmoid(x); }

Tensor Softsign::forward(const Tensor& x) { return softsign(x); }

Tensor Tanhshrink::forward(const Tensor& x) { return tanhshrink(x); }

std::string Softmin::extra_repr() const { return detail::concat("dim=", dim_); }
Tensor Softmin::forward(const Tensor& x) { return softmin(x, dim_); }

std::string GLU::extra_repr() const { return detail::concat("dim=", dim_); }
Tensor GLU::forward(const Tensor& x) { return glu(x, dim_); }

}  // namespace normgrad
