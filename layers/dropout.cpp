#include "normgrad/layers/dropout.hpp"

#include <array>

#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/layers/detail/over_axes.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Dropout)
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(ChannelDropout, "Dropout")
NORMGRAD_DEFINE_MEMBERS(AlphaDropout)
NORMGRAD_DEFINE_MEMBERS(FeatureAlphaDropout)
NORMGRAD_DEFINE_MEMBERS(StochasticDepth)

detail::DropoutLayer::DropoutLayer(const char* name, double p, std::size_t axes) : p_(p) {
  require<ValueError>(p >= 0.0 && p <= 1.0, axes == 0 ? name : name_over_axes(name, axes),
                      ": expected p in [0, 1] but got ", p);
}

std::string detail::DropoutLayer::extra_repr() const { return concat("p=", p_); }

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p(), is_training()); }

constexpr std::array kChannelDropouts = {&dropout1d, &dropout2d, &dropout3d};

template <std::size_t axes>
Tensor ChannelDropout<axes>::forward(const Tensor& x) {
  return kChannelDropouts[axes - 1](x, p(), is_training(), nullptr);
}
NORMGRAD_INSTANTIATE_OVER_AXES(ChannelDropout)

Tensor AlphaDropout::forward(const Tensor& x) { return alpha_dropout(x, p(), is_training()); }

Tensor FeatureAlphaDropout::forward(const Tensor& x) { return feature_alpha_dropout(x, p(), is_training()); }

StochasticDepth::StochasticDepth(double p, const std::string& mode) : DropoutLayer("StochasticDepth", p), mode_(mode) {
  require<ValueError>(mode == "batch" || mode == "row",
                      "StochasticDepth: expected mode \"batch\" or \"row\" but got \"", mode, "\"");
}

std::string StochasticDepth::extra_repr() const { return detail::concat("p=", p(), ", mode=", mode_); }

Tensor StochasticDepth::forward(const Tensor& x) { return stochastic_depth(x, p(), mode_, is_training()); }

}  // namespace normgrad
