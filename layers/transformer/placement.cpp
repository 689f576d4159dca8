#include "normgrad/layers/transformer/placement.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/init/init.hpp"
#include "normgrad/layers/transformer/encoder.hpp"

namespace normgrad {

namespace {

// In the order of Residual::Place.
constexpr std::array<std::string_view, 5> kPlacements = {"pre", "post", "sandwich", "deepnorm", "none"};

double positive(const char* where, const char* what, std::int64_t layers) {
  require<ValueError>(layers > 0, where, ": expected ", what, " > 0 but got ", layers);
  return static_cast<double>(layers);
}

}  // namespace

DeepNormScale deepnorm_scale(std::int64_t num_layers) {
  const double n = positive("deepnorm_scale", "num_layers", num_layers);
  return {std::pow(2.0 * n, 0.25), std::pow(8.0 * n, -0.25)};
}

DeepNormScales deepnorm_scales(std::int64_t encoder_layers, std::int64_t decoder_layers) {
  const double n = positive("deepnorm_scales", "encoder_layers", encoder_layers);
  const double m = positive("deepnorm_scales", "decoder_layers", decoder_layers);
  const double both = std::pow(n, 0.25) * std::pow(m, 0.0625);
  return {{0.81 * both, 0.87 / both}, {std::pow(3.0 * m, 0.25), std::pow(12.0 * m, -0.25)}};
}

namespace detail {

Residual::Residual(const char* layer, const TransformerLayerOptions& options)
    : place_(options.norm_first ? Place::pre : Place::post),
      named_(!options.placement.empty()),
      scale_(options.deepnorm.value_or(DeepNormScale())) {
  if (!named_) {
    return;
  }
  const auto* const found = std::find(kPlacements.begin(), kPlacements.end(), options.placement);
  require<ValueError>(found != kPlacements.end(), layer, ": expected placement \"pre\", \"post\", \"sandwich\", ",
                      "\"deepnorm\" or \"none\" but got \"", options.placement, "\"");
  place_ = static_cast<Place>(found - kPlacements.begin());
  require<ValueError>(!options.norm_first || place_ == Place::pre, layer,
                      ": expected norm_first with placement \"pre\" or without a placement but got \"",
                      options.placement, "\"");
  require<ValueError>(place_ != Place::deepnorm || options.deepnorm, layer, ": expected the scales of placement ",
                      "\"deepnorm\" but got none; write .deepnorm = deepnorm_scale(num_layers)");
}

AnyModule Residual::norm(std::int64_t d_model, const TransformerLayerOptions& options) const {
  return place_ == Place::none ? AnyModule() : transformer_norm(d_model, options);
}

AnyModule Residual::norm_out(std::int64_t d_model, const TransformerLayerOptions& options) const {
  return place_ == Place::sandwich ? transformer_norm(d_model, options) : AnyModule();
}

Tensor Residual::operator()(const Tensor& x, const AnyModule& norm, const AnyModule& out,
                            const std::function<Tensor(const Tensor&)>& branch) const {
  switch (place_) {
    case Place::pre:
      return x + branch(per_position(norm, x));
    case Place::post:
      return per_position(norm, x + branch(x));
    case Place::sandwich:
      return x + per_position(out, branch(per_position(norm, x)));
    case Place::deepnorm:
      return per_position(norm, x * scale_.alpha + branch(x));
    case Place::none:
      break;
  }
  return x + branch(x);
}

void Residual::init(MultiheadAttention& attention, Generator* generator) const {
  if (place_ != Place::deepnorm) {
    return;
  }
  if (attention.in_proj_weight.defined()) {
    const NoGradGuard no_grad;
    std::vector<Tensor> parts;
    for (const double gain : {1.0, 1.0, scale_.beta}) {  // query, key, value
      parts.push_back(Tensor::empty({attention.embed_dim(), attention.embed_dim()}, attention.in_proj_weight.dtype()));
      xavier_normal_(parts.back(), {.gain = gain, .generator = generator});
    }
    attention.in_proj_weight.copy_(cat(parts, 0));
  } else {
    xavier_normal_(attention.q_proj_weight, {.generator = generator});
    xavier_normal_(attention.k_proj_weight, {.generator = generator});
    xavier_normal_(attention.v_proj_weight, {.gain = scale_.beta, .generator = generator});
  }
  xavier_normal_(attention.out_proj.weight, {.gain = scale_.beta, .generator = generator});
}

void Residual::init(Linear& linear1, Linear& linear2, Generator* generator) const {
  if (place_ == Place::deepnorm) {
    xavier_normal_(linear1.weight, {.gain = scale_.beta, .generator = generator});
    xavier_normal_(linear2.weight, {.gain = scale_.beta, .generator = generator});
  }
}

std::string Residual::repr() const {
  if (!named_) {
    return place_ == Place::pre ? "norm_first=true" : "norm_first=false";
  }
  const std::string text = "placement=" + std::string(kPlacements.at(static_cast<std::size_t>(place_)));
  return place_ == Place::deepnorm ? concat(text, ", alpha=", scale_.alpha, ", beta=", scale_.beta) : text;
}

}  // namespace detail

}  // namespace normgrad
