// Layers of images, padding, pooling in one to three axes and random layers: the gradients of the arguments and of all
// parameters are checked.
#include <memory>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/layers/conv.hpp"
#include "normgrad/layers/dropout.hpp"
#include "normgrad/layers/embedding.hpp"
#include "normgrad/layers/image.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/layers/pooling.hpp"

namespace normgrad::tests {

namespace {

// The square of layer(x), so that the second order is not zero.
template <class Layer>
void add_square(CaseList& list, const std::string& name, Layer layer, const Tensor& x) {
  const auto shared = std::make_shared<Layer>(std::move(layer));
  Inputs inputs = {x};
  for (const Tensor& parameter : shared->parameters()) {
    const Tensor values = list.normal(parameter.shape(), 0.2, 0.5);
    const NoGradGuard no_grad;
    Tensor(parameter).copy_(values);
    inputs.push_back(parameter);
  }
  shared->eval();  // no draws: the rows of the functions check those
  list.add(
      name, [shared](const Inputs& in) { return square((*shared)(in[0])); }, inputs);
}

void add_pads(CaseList& list) {
  const Tensor line = list.normal({1, 2, 3});
  const Tensor plane = list.normal({1, 1, 3, 3});
  const Tensor volume = list.normal({1, 1, 2, 2, 3});
  add_square(list, "ConstantPad1d", ConstantPad1d({1, 2}, 0.5), line);
  add_square(list, "ConstantPad2d", ConstantPad2d({1, 2, 0, 1}, 0.5), plane);
  add_square(list, "ConstantPad3d", ConstantPad3d({1, 0, 0, 1, 1, 0}, 0.5), volume);
  add_square(list, "ZeroPad1d", ZeroPad1d({1, 2}), line);
  add_square(list, "ZeroPad2d", ZeroPad2d({1, 2, 0, 1}), plane);
  add_square(list, "ZeroPad3d", ZeroPad3d({1, 0, 0, 1, 1, 0}), volume);
  add_square(list, "ReflectionPad1d", ReflectionPad1d({1, 2}), line);
  add_square(list, "ReflectionPad2d", ReflectionPad2d({1, 2, 0, 1}), plane);
  add_square(list, "ReflectionPad3d", ReflectionPad3d({1, 2, 0, 1, 1, 0}), volume);
  add_square(list, "ReplicationPad1d", ReplicationPad1d({1, 2}), line);
  add_square(list, "ReplicationPad2d", ReplicationPad2d({1, 2, 0, 1}), plane);
  add_square(list, "ReplicationPad3d", ReplicationPad3d({1, 2, 0, 1, 1, 0}), volume);
  add_square(list, "CircularPad1d", CircularPad1d({1, 2}), line);
  add_square(list, "CircularPad2d", CircularPad2d({1, 2, 0, 1}), plane);
  add_square(list, "CircularPad3d", CircularPad3d({1, 2, 0, 1, 1, 0}), volume);
}

void add_pools(CaseList& list) {
  add_square(list, "MaxPool3d", MaxPool3d(2), list.distinct({1, 1, 2, 4, 2}));
  add_square(list, "AvgPool3d", AvgPool3d(2), list.normal({1, 1, 2, 4, 2}));
  add_square(list, "LPPool1d", LPPool1d(3, 2), list.uniform({1, 2, 4}, 0.5, 1.5));
  add_square(list, "LPPool2d", LPPool2d(2, 2), list.uniform({1, 1, 4, 4}, 0.5, 1.5));
  add_square(list, "AdaptiveAvgPool1d", AdaptiveAvgPool1d(3), list.normal({1, 2, 5}));
  add_square(list, "AdaptiveAvgPool3d", AdaptiveAvgPool3d(2), list.normal({1, 1, 3, 3, 2}));
  add_square(list, "AdaptiveMaxPool1d", AdaptiveMaxPool1d(3), list.distinct({1, 2, 5}));
  add_square(list, "AdaptiveMaxPool2d", AdaptiveMaxPool2d(2), list.distinct({1, 1, 3, 4}));
  add_square(list, "AdaptiveMaxPool3d", AdaptiveMaxPool3d(2), list.distinct({1, 1, 3, 3, 2}));
  const auto unpool = [&](const std::string& name, auto layer, const Shape& shape, std::int64_t positions) {
    const auto shared = std::make_shared<decltype(layer)>(layer);
    const Tensor places = list.indices(shape, positions);
    list.add(name, [shared, places](const Inputs& in) { return square((*shared)(in[0], places)); },
             {list.normal(shape)});
  };
  unpool("MaxUnpool1d", MaxUnpool1d(2), {1, 2, 3}, 6);
  unpool("MaxUnpool2d", MaxUnpool2d(2), {1, 2, 2, 1}, 8);
  unpool("MaxUnpool3d", MaxUnpool3d(2), {1, 1, 2, 1, 2}, 32);
  const Tensor planes = list.indices({1, 2, 2, 1}, 8);
  list.add("max_unpool2d", [planes](const Inputs& in) { return square(max_unpool2d(in[0], planes, 2)); },
           {list.normal({1, 2, 2, 1})});
  const Tensor volumes = list.indices({1, 1, 2, 1, 2}, 32);
  list.add("max_unpool3d", [volumes](const Inputs& in) { return square(max_unpool3d(in[0], volumes, 2)); },
           {list.normal({1, 1, 2, 1, 2})});
}

void add_random(CaseList& list) {
  const auto draw = [&](const std::string& name, const Shape& shape, auto f) {
    list.add(name,
             [f](const Inputs& in) {
               Generator generator(4);
               return square(f(in[0], &generator));
             },
             {list.normal(shape)});
  };
  draw("dropout1d", {2, 4, 2}, [](const Tensor& x, Generator* g) { return dropout1d(x, 0.4, true, g); });
  draw("dropout3d", {2, 4, 1, 2, 1}, [](const Tensor& x, Generator* g) { return dropout3d(x, 0.4, true, g); });
  draw("feature_alpha_dropout", {2, 4, 2},
       [](const Tensor& x, Generator* g) { return feature_alpha_dropout(x, 0.4, true, g); });
  draw("stochastic_depth", {6, 2},
       [](const Tensor& x, Generator* g) { return stochastic_depth(x, 0.4, "row", true, g); });
  add_square(list, "Dropout1d", Dropout1d(0.4), list.normal({2, 2, 3}));
  add_square(list, "Dropout2d", Dropout2d(0.4), list.normal({2, 2, 3, 1}));
  add_square(list, "Dropout3d", Dropout3d(0.4), list.normal({2, 2, 3, 1, 1}));
  add_square(list, "AlphaDropout", AlphaDropout(0.4), list.normal({2, 3}));
  add_square(list, "FeatureAlphaDropout", FeatureAlphaDropout(0.4), list.normal({2, 2, 3}));
  add_square(list, "StochasticDepth", StochasticDepth(0.4, "row"), list.normal({2, 3}));
}

}  // namespace

void add_image_layers(CaseList& list) {
  list.start_family("layers of images");
  add_pads(list);
  add_pools(list);
  add_random(list);
  add_square(list, "Upsample", Upsample({.scale_factor = 2, .mode = "bilinear"}), list.normal({1, 2, 2, 3}));
  add_square(list, "PixelShuffle", PixelShuffle(2), list.normal({1, 4, 2, 1}));
  add_square(list, "PixelUnshuffle", PixelUnshuffle(2), list.normal({1, 1, 4, 2}));
  add_square(list, "Unfold", Unfold(2, {.padding = 1}), list.normal({1, 1, 3, 2}));
  add_square(list, "Fold", Fold({3, 4}, 2), list.normal({1, 8, 6}));
  const ConvTransposeLayerOptions transposed = {.stride = 2, .dtype = kFloat64};
  add_square(list, "ConvTranspose1d", ConvTranspose1d(2, 3, 3, transposed), list.normal({1, 2, 3}));
  add_square(list, "ConvTranspose3d", ConvTranspose3d(1, 2, 2, transposed), list.normal({1, 1, 2, 1, 2}));
  add_square(list, "EmbeddingBag", EmbeddingBag(5, 2, {.dtype = kFloat64}), list.indices({2, 3}, 5));
  const auto bilinear = std::make_shared<Bilinear>(3, 2, 2, LinearOptions{.dtype = kFloat64});
  Inputs inputs = {list.normal({2, 3}), list.normal({2, 2})};
  for (const Tensor& parameter : bilinear->parameters()) {
    inputs.push_back(parameter);
  }
  list.add(
      "Bilinear", [bilinear](const Inputs& in) { return (*bilinear)(in[0], in[1]); }, inputs);
}

}  // namespace normgrad::tests
