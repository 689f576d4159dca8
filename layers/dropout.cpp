#include "normgrad/layers/dropout.hpp"

#include "normgrad/core/ops/elementwise/dropout.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Dropout)
NORMGRAD_DEFINE_MEMBERS(Dropout1d)
NORMGRAD_DEFINE_MEMBERS(Dropout2d)
NORMGRAD_DEFINE_MEMBERS(Dropout3d)
NORMGRAD_DEFINE_MEMBERS(AlphaDropout)
NORMGRAD_DEFINE_MEMBERS(FeatureAlphaDropout)
NORMGRAD_DEFINE_MEMBERS(StochasticDepth)

Dropout::Dropout(double p) : p_(p) {
  require<ValueError>(p >= 0.0 && p <= 1.0, "Dropout: expected p in [0, 1] but got ", p);
}

std::string Dropout::extra_repr() const { return detail::concat("p=", p_); }

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p_, is_training()); }

detail::DropoutLayer::DropoutLayer(const char* name, double p) : p_(p) {
  require<ValueError>(p >= 0.0 && p <= 1.0, name, ": expected p in [0, 1] but got ", p);
}

std::string detail::DropoutLayer::extra_repr() const { return concat("p=", p_); }

Tensor Dropout1d::forward(const Tensor& x) { return dropout1d(x, p(), is_training()); }

Tensor Dropout2d::forward(const Tensor& x) { return dropout2d(x, p(), is_training()); }

Tensor Dropout3d::forward(const Tensor& x) { return dropout3d(x, p(), is_training()); }

Tensor AlphaDropout::forward(const Tensor& x) { return alpha_dropout(x, p(), is_training()); }

Tensor FeatureAlphaDropout::forward(const Tensor& x) { return feature_alpha_dropout(x, p(), is_training()); }

StochasticDepth::StochasticDepth(double p, const std::string& mode) : DropoutLayer("StochasticDepth", p), mode_(mode) {
  require<ValueError>(mode == "batch" || mode == "row",
                      "StochasticDepth: expected mode \"batch\" or \"row\" but got \"", mode, "\"");
}

std::string StochasticDepth::extra_repr() const { return detail::concat("p=", p(), ", mode=", mode_); }

Tensor StochasticDepth::forward(const Tensor& x) { return stochastic_depth(x, p(), mode_, is_training()); }

}  // namespace normgrad
