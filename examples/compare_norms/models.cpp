#include "examples/compare_norms/models.hpp"

#include <algorithm>

namespace compare_norms {

using namespace normgrad;

namespace {

constexpr std::int64_t kHidden = 100;
constexpr std::int64_t kChannels1 = 32;
constexpr std::int64_t kChannels2 = 64;

/// Where the norms of a model stand.
std::vector<NormContext> places(const std::string& model) {
  if (model == "mlp") {
    return {{.num_features = kHidden, .spatial_dims = 0}};
  }
  return {{.num_features = kChannels1, .spatial_dims = 2}, {.num_features = kChannels2, .spatial_dims = 2}};
}

void add_norm(Sequential& net, const std::string& name, const std::string& norm, const NormContext& place) {
  if (norm != "none") {
    net.push_back(name, make_norm(norm, place));
  }
}

Sequential make_mlp(const std::string& norm, std::int64_t inputs, std::int64_t classes) {
  Sequential net;
  net.push_back("flatten", Flatten());
  for (const std::string i : {"1", "2", "3"}) {
    net.push_back("fc" + i, Linear(i == "1" ? inputs : kHidden, kHidden));
    add_norm(net, "norm" + i, norm, places("mlp")[0]);
    net.push_back("sigmoid" + i, Sigmoid());
  }
  net.push_back("fc4", Linear(kHidden, classes));
  return net;
}

Sequential make_cnn(const std::string& norm, const Shape& image, std::int64_t classes) {
  Sequential net;
  const auto add_block = [&](const std::string& i, std::int64_t in, std::int64_t out, const NormContext& place) {
    net.push_back("conv" + i, Conv2d(in, out, 3, {.padding = 1}));
    add_norm(net, "norm" + i, norm, place);
    net.push_back("relu" + i, ReLU());
    net.push_back("pool" + i, MaxPool2d(2));
  };
  add_block("1", image[0], kChannels1, places("cnn")[0]);
  add_block("2", kChannels1, kChannels2, places("cnn")[1]);
  net.push_back("flatten", Flatten());
  net.push_back("fc1", Linear(kChannels2 * (image[1] / 4) * (image[2] / 4), 128));
  net.push_back("relu3", ReLU());
  net.push_back("fc2", Linear(128, classes));
  return net;
}

}  // namespace

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = {"mlp", "cnn"};
  return names;
}

std::string why_not_applicable(const std::string& model, const std::string& norm) {
  for (const NormContext& place : places(model)) {
    if (!is_norm_applicable(norm, place)) {
      const std::string name = norm.substr(0, norm.find(':'));
      const auto entry = std::find_if(norm_registry().begin(), norm_registry().end(),
                                      [&](const NormEntry& candidate) { return candidate.name == name; });
      return entry->reason_against(place);
    }
    make_norm(norm, place);  // throws for an argument that does not fit
  }
  return {};
}

Sequential make_model(const std::string& model, const std::string& norm, const Shape& image_shape,
                      std::int64_t num_classes) {
  if (model == "mlp") {
    return make_mlp(norm, image_shape.numel(), num_classes);
  }
  require<ShapeError>(image_shape[1] >= 4 && image_shape[2] >= 4, "cnn: expected images of at least 4x4 but got ",
                      image_shape);
  return make_cnn(norm, image_shape, num_classes);
}

}  // namespace compare_norms
