#include "normgrad/layers/activation.hpp"

#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/layers/module/fusing.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(ReLU)
NORMGRAD_DEFINE_MEMBERS(LeakyReLU)
NORMGRAD_DEFINE_MEMBERS(ELU)
NORMGRAD_DEFINE_MEMBERS(SELU)
NORMGRAD_DEFINE_MEMBERS(GELU)
NORMGRAD_DEFINE_MEMBERS(SiLU)
NORMGRAD_DEFINE_MEMBERS(Sigmoid)
NORMGRAD_DEFINE_MEMBERS(Tanh)
NORMGRAD_DEFINE_MEMBERS(Softplus)
NORMGRAD_DEFINE_MEMBERS(Softmax)
NORMGRAD_DEFINE_MEMBERS(LogSoftmax)

Tensor ReLU::forward(const Tensor& x) { return relu(x); }

std::string LeakyReLU::extra_repr() const { return detail::concat("negative_slope=", negative_slope_); }
Tensor LeakyReLU::forward(const Tensor& x) { return leaky_relu(x, negative_slope_); }

std::string ELU::extra_repr() const { return detail::concat("alpha=", alpha_); }
Tensor ELU::forward(const Tensor& x) { return elu(x, alpha_); }

Tensor SELU::forward(const Tensor& x) { return selu(x); }

Tensor GELU::forward(const Tensor& x) { return gelu(x); }

Tensor SiLU::forward(const Tensor& x) { return silu(x); }

Tensor Sigmoid::forward(const Tensor& x) { return sigmoid(x); }

Tensor Tanh::forward(const Tensor& x) { return tanh(x); }

Softplus::Softplus(double beta, double threshold) : beta_(beta), threshold_(threshold) {
  require<ValueError>(beta > 0.0, "Softplus: expected beta > 0 but got ", beta);
}
std::string Softplus::extra_repr() const { return detail::concat("beta=", beta_, ", threshold=", threshold_); }
Tensor Softplus::forward(const Tensor& x) { return softplus(x, beta_, threshold_); }

std::string Softmax::extra_repr() const { return detail::concat("dim=", dim_); }
Tensor Softmax::forward(const Tensor& x) { return softmax(x, dim_); }

std::string LogSoftmax::extra_repr() const { return detail::concat("dim=", dim_); }
Tensor LogSoftmax::forward(const Tensor& x) { return log_softmax(x, dim_); }

namespace {

template <class M>
Epilogue epilogue_of(const M& layer, FusedActivation activation) {
  return detail::is_fusable_as<M>(layer) ? Epilogue{.activation = activation} : Epilogue();
}

}  // namespace

Epilogue ReLU::as_epilogue() const { return epilogue_of(*this, FusedActivation::relu); }

Epilogue Sigmoid::as_epilogue() const { return epilogue_of(*this, FusedActivation::sigmoid); }

Epilogue Tanh::as_epilogue() const { return epilogue_of(*this, FusedActivation::tanh); }

}  // namespace normgrad
