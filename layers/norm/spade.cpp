#include "normgrad/layers/norm/spade.hpp"

#include "normgrad/core/ops/elementwise/activation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(SPADE, param_free_norm, mlp_shared, mlp_gamma, mlp_beta)

namespace {

AnyModule norm_without_parameters(std::int64_t num_features, const SPADEOptions& options) {
  if (options.norm == "instance") {
    return InstanceNorm2d(num_features, {.eps = options.eps, .affine = false, .dtype = options.dtype});
  }
  require<ValueError>(options.norm == "batch", "SPADE: expected the norm \"batch\" or \"instance\" but got \"",
                      options.norm, "\"");
  return BatchNorm2d(num_features, {.eps = options.eps, .affine = false, .dtype = options.dtype});
}

Conv2d same_size_conv(std::int64_t in, std::int64_t out, const SPADEOptions& options) {
  require<ValueError>(options.kernel_size > 0 && options.kernel_size % 2 == 1,
                      "SPADE: expected an odd kernel_size but got ", options.kernel_size);
  return Conv2d(in, out, options.kernel_size,
                {.padding = options.kernel_size / 2, .dtype = options.dtype, .generator = options.generator});
}

}  // namespace

SPADE::SPADE(std::int64_t num_features, std::int64_t label_channels, const SPADEOptions& options)
    : param_free_norm(norm_without_parameters(num_features, options)),
      mlp_shared{same_size_conv(label_channels, options.hidden, options)},
      mlp_gamma(same_size_conv(options.hidden, num_features, options)),
      mlp_beta(same_size_conv(options.hidden, num_features, options)),
      num_features_(num_features),
      label_channels_(label_channels) {}

std::string SPADE::extra_repr() const { return detail::concat(num_features_, ", ", label_channels_); }

Tensor SPADE::forward(const Tensor& x, const Tensor& map) {
  require<ShapeError>(x.dim() == 4 && map.dim() == 4 && x.size(1) == num_features_ && map.size(1) == label_channels_ &&
                          x.size(0) == map.size(0),
                      "SPADE: expected x [N, ", num_features_, ", H, W] and a map [N, ", label_channels_,
                      ", h, w] but got ", x.shape(), " and ", map.shape());
  const bool fits = x.size(2) == map.size(2) && x.size(3) == map.size(3);
  const Tensor resized = fits ? map : interpolate(map, {.size = {x.size(2), x.size(3)}, .mode = "nearest"});
  const Tensor hidden = mlp_shared.front()(resized, relu);
  return param_free_norm(x) * (mlp_gamma(hidden) + 1.0) + mlp_beta(hidden);
}

}  // namespace normgrad
