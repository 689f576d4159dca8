#include "normgrad/layers/linear.hpp"

#include <cmath>

#include "normgrad/core/ops/detail/activation_kind.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/layers/init/init.hpp"
#include "normgrad/layers/module/fusing.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Linear, weight, bias)
NORMGRAD_DEFINE_MEMBERS(Bilinear, weight, bias)

Linear::Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options)
    : in_features_(in_features), out_features_(out_features) {
  require<ValueError>(in_features > 0, "Linear: expected in_features > 0 but got ", in_features);
  require<ValueError>(out_features > 0, "Linear: expected out_features > 0 but got ", out_features);
  weight = Parameter(Tensor::empty({out_features, in_features}, options.dtype));
  if (options.bias) {
    bias = Parameter(Tensor::empty({out_features}, options.dtype));
  }
  reset_parameters(options.generator);
}

void Linear::reset_parameters(Generator* generator) { init_weight_and_bias_(weight, bias, generator); }

std::string Linear::extra_repr() const {
  return detail::concat("in_features=", in_features_, ", out_features=", out_features_,
                        ", bias=", bias.defined() ? "true" : "false");
}

Tensor Linear::forward(const Tensor& x) { return linear(x, weight, bias); }

Tensor Linear::call_after(FusedActivation activation, const Tensor& x) {
  const detail::ActivationKind* kind = detail::kind_of(activation);
  if (kind == nullptr || !detail::is_fusable_as<Linear>(*this) || !is_floating_point(x.dtype())) {
    return {};
  }
  return with_path([&] { return detail::activated_linear(*kind, x, weight, bias); });
}

Bilinear::Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features,
                   LinearOptions options) {
  require<ValueError>(in1_features > 0 && in2_features > 0 && out_features > 0, "Bilinear: expected sizes > 0 but got ",
                      in1_features, ", ", in2_features, " and ", out_features);
  weight = Parameter(Tensor::empty({out_features, in1_features, in2_features}, options.dtype));
  if (options.bias) {
    bias = Parameter(Tensor::empty({out_features}, options.dtype));
  }
  reset_parameters(options.generator);
}

void Bilinear::reset_parameters(Generator* generator) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(weight.size(1)));
  uniform_(weight, -bound, bound, generator);
  if (bias.defined()) {
    uniform_(bias, -bound, bound, generator);
  }
}

std::string Bilinear::extra_repr() const {
  return detail::concat("in1_features=", weight.size(1), ", in2_features=", weight.size(2),
                        ", out_features=", weight.size(0), ", bias=", bias.defined() ? "true" : "false");
}

Tensor Bilinear::forward(const Tensor& a, const Tensor& b) { return bilinear(a, b, weight, bias); }

}  // namespace normgrad
