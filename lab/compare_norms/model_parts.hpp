// What the models of compare_norms are built of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lab/compare_norms/models.hpp"
#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// Returns the spec of a norm with its groups filled in: "group" becomes the largest number of groups that divides both
/// the features and the registry's number.
std::string fitting(const std::string& norm, const normgrad::NormContext& place);

/// A module that returns its input, and appends it to the log under the name `next` while the log is armed. The log
/// receives [N, C, *]; with `positions_first` the module's own input is [N, *, C].
normgrad::AnyModule make_tap(const std::string& next, std::shared_ptr<TapLog> log, bool positions_first = false);

/// Appends the norm "norm" + i, if the spec has one, and the activation "act" + i, each behind its tap.
void add_norm_and_activation(normgrad::Sequential& net, const ModelSpec& spec, const std::string& i,
                             const normgrad::NormContext& place);

/// The function behind a name of activation_names().
using ActivationFunction = normgrad::Tensor (*)(const normgrad::Tensor&);
ActivationFunction activation_function(const std::string& name);

/// The features of a position in a transformer.
std::int64_t transformer_width(const std::string& model);
/// [N, C, H, W] -> [N, patches, d_model]: a linear map of each patch, 7x7 of 28x28 images, plus a learned vector per
/// patch.
normgrad::AnyModule make_patches(const normgrad::Shape& image_shape, std::int64_t d_model);
/// [N, positions, d] -> [N, d].
normgrad::AnyModule make_mean_over_positions();
normgrad::Sequential make_vit(const ModelSpec& spec);
normgrad::Sequential make_gpt(const ModelSpec& spec);
normgrad::Sequential make_unet(const ModelSpec& spec);
normgrad::Sequential make_dcgan(const ModelSpec& spec);

}  // namespace compare_norms
