#include "normgrad/layers/piecewise.hpp"

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/piecewise.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Hardtanh)
NORMGRAD_DEFINE_MEMBERS(ReLU6)
NORMGRAD_DEFINE_MEMBERS(Hardsigmoid)
NORMGRAD_DEFINE_MEMBERS(Hardswish)
NORMGRAD_DEFINE_MEMBERS(Hardshrink)
NORMGRAD_DEFINE_MEMBERS(Softshrink)
NORMGRAD_DEFINE_MEMBERS(Threshold)
NORMGRAD_DEFINE_MEMBERS(PReLU, weight)
NORMGRAD_DEFINE_MEMBERS(RReLU)

Hardtanh::Hardtanh(double min_val, double max_val) : min_val_(min_val), max_val_(max_val) {
  require<ValueError>(min_val < max_val, "Hardtanh: expected min_val < max_val but got ", min_val, " and ", max_val);
}
std::string Hardtanh::extra_repr() const { return detail::concat("min_val=", min_val_, ", max_val=", max_val_); }
Tensor Hardtanh::forward(const Tensor& x) { return hardtanh(x, min_val_, max_val_); }

Tensor ReLU6::forward(const Tensor& x) { return relu6(x); }

Tensor Hardsigmoid::forward(const Tensor& x) { return hardsigmoid(x); }

Tensor Hardswish::forward(const Tensor& x) { return hardswish(x); }

Hardshrink::Hardshrink(double lambd) : lambd_(lambd) {
  require<ValueError>(lambd >= 0.0, "Hardshrink: expected lambd >= 0 but got ", lambd);
}
std::string Hardshrink::extra_repr() const { return detail::concat("lambd=", lambd_); }
Tensor Hardshrink::forward(const Tensor& x) { return hardshrink(x, lambd_); }

Softshrink::Softshrink(double lambd) : lambd_(lambd) {
  require<ValueError>(lambd >= 0.0, "Softshrink: expected lambd >= 0 but got ", lambd);
}
std::string Softshrink::extra_repr() const { return detail::concat("lambd=", lambd_); }
Tensor Softshrink::forward(const Tensor& x) { return softshrink(x, lambd_); }

std::string Threshold::extra_repr() const { return detail::concat("threshold=", threshold_, ", value=", value_); }
Tensor Threshold::forward(const Tensor& x) { return threshold(x, threshold_, value_); }

PReLU::PReLU(PReLUOptions options) {
  require<ValueError>(options.num_parameters > 0, "PReLU: expected num_parameters > 0 but got ",
                      options.num_parameters);
  weight = Parameter(full({options.num_parameters}, options.init, {.dtype = options.dtype}));
}
std::string PReLU::extra_repr() const { return detail::concat("num_parameters=", weight.numel()); }
Tensor PReLU::forward(const Tensor& x) { return prelu(x, weight); }

RReLU::RReLU(double lower, double upper) : lower_(lower), upper_(upper) {
  require<ValueError>(lower <= upper, "RReLU: expected lower <= upper but got ", lower, " and ", upper);
}
std::string RReLU::extra_repr() const { return detail::concat("lower=", lower_, ", upper=", upper_); }
Tensor RReLU::forward(const Tensor& x) { return rrelu(x, lower_, upper_, is_training()); }

}  // namespace normgrad
