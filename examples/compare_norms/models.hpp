// The models that compare_norms trains.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// "mlp", "cnn".
const std::vector<std::string>& model_names();

/// Why `model` cannot have `norm` (a name of the registry of norms, "group:4" with an argument); empty when it can.
/// Throws ValueError for a name that is not known, and for an argument that does not fit the model.
std::string why_not_applicable(const std::string& model, const std::string& norm);

/// mlp: n-100-100-100-classes with sigmoid, the model of Ioffe and Szegedy, "Batch Normalization" (2015), section 4.1.
/// cnn: conv 3x3 to 32 channels, norm, ReLU, pool, conv 3x3 to 64, norm, ReLU, pool, linear 128, ReLU, linear classes.
/// The norm stands before the activation; it draws no random numbers, so that the same state of the default generator
/// gives the same weights with every norm. image_shape: [C, H, W].
normgrad::Sequential make_model(const std::string& model, const std::string& norm, const normgrad::Shape& image_shape,
                                std::int64_t num_classes);

}  // namespace compare_norms
