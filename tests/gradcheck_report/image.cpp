#include "normgrad/core/ops/image/image.hpp"

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/random/random.hpp"

namespace normgrad::tests {

void add_images(CaseList& list) {
  list.start_family("images and pooling in more axes");
  using Function = std::function<Tensor(const Tensor&)>;
  const auto one = [&](const std::string& name, const Shape& shape, const Function& f) {
    // Squared, so that the second order is not zero.
    list.add(name, [f](const Inputs& in) { return square(f(in[0])); }, {list.normal(shape)});
  };
  const auto pool = [&](const std::string& name, const Shape& shape, const Function& f) {
    list.add(name, [f](const Inputs& in) { return square(f(in[0])); }, {list.distinct(shape)});
  };
  pool("max_pool3d", {1, 2, 2, 4, 4}, [](const Tensor& x) { return max_pool3d(x, 2); });
  pool("max_pool2d ceil_mode", {1, 2, 5, 5}, [](const Tensor& x) { return max_pool2d(x, 2, {.ceil_mode = true}); });
  pool("adaptive_max_pool1d", {2, 5}, [](const Tensor& x) { return adaptive_max_pool1d(x, 3); });
  pool("adaptive_max_pool2d", {1, 2, 4, 5}, [](const Tensor& x) { return adaptive_max_pool2d(x, {2, 3}); });
  pool("adaptive_max_pool3d", {1, 1, 3, 3, 2}, [](const Tensor& x) { return adaptive_max_pool3d(x, 2); });
  const Tensor places = list.indices({2, 3}, 6);
  one("max_unpool1d", {2, 3}, [=](const Tensor& x) { return max_unpool1d(x, places, 2); });
  one("avg_pool3d", {1, 2, 3, 4, 3}, [](const Tensor& x) { return avg_pool3d(x, 2, {.padding = 1}); });
  one("avg_pool2d ceil_mode", {1, 2, 5, 4}, [](const Tensor& x) { return avg_pool2d(x, 2, {.ceil_mode = true}); });
  one("avg_pool2d divisor_override", {1, 2, 4, 4},
      [](const Tensor& x) { return avg_pool2d(x, 2, {.divisor_override = 3}); });
  one("adaptive_avg_pool1d", {2, 5}, [](const Tensor& x) { return adaptive_avg_pool1d(x, 3); });
  one("adaptive_avg_pool3d", {1, 1, 3, 3, 2}, [](const Tensor& x) { return adaptive_avg_pool3d(x, 2); });
  list.add("lp_pool1d", [](const Inputs& in) { return lp_pool1d(in[0], 3, 2); }, {list.uniform({2, 6}, 0.5, 1.5)});
  list.add("lp_pool2d", [](const Inputs& in) { return lp_pool2d(in[0], 2, 2); },
           {list.uniform({1, 2, 4, 4}, 0.5, 1.5)});
  list.add("conv_transpose1d",
           [](const Inputs& in) { return conv_transpose1d(in[0], in[1], in[2], {.stride = 2, .padding = 1}); },
           {list.normal({2, 2, 4}), list.normal({2, 3, 3}), list.normal({3})});
  list.add("conv_transpose3d", [](const Inputs& in) { return conv_transpose3d(in[0], in[1], in[2], {.stride = 2}); },
           {list.normal({1, 2, 2, 1, 2}), list.normal({2, 1, 2, 2, 1}), list.normal({1})});
  list.add("conv2d same", [](const Inputs& in) { return conv2d(in[0], in[1], {}, {.padding = "same"}); },
           {list.normal({1, 2, 3, 4}), list.normal({2, 2, 2, 3})});
  const auto resized = [&](const std::string& name, const Shape& shape, const InterpolateOptions& options) {
    one("interpolate " + name, shape, [options](const Tensor& x) { return interpolate(x, options); });
  };
  resized("nearest", {1, 2, 3, 4}, {.size = {5, 2}});
  resized("nearest-exact", {1, 2, 4}, {.size = 6, .mode = "nearest-exact"});
  resized("linear", {1, 2, 4}, {.size = 7, .mode = "linear"});
  resized("bilinear", {1, 2, 3, 4}, {.scale_factor = {1.7, 0.6}, .mode = "bilinear"});
  resized("bilinear align_corners", {1, 2, 3, 4}, {.size = {5, 3}, .mode = "bilinear", .align_corners = true});
  resized("bilinear antialias", {1, 1, 5, 6}, {.size = {2, 4}, .mode = "bilinear", .antialias = true});
  resized("bicubic", {1, 1, 3, 4}, {.size = {4, 3}, .mode = "bicubic"});
  resized("trilinear", {1, 1, 2, 3, 2}, {.size = {3, 2, 3}, .mode = "trilinear"});
  resized("area", {1, 2, 3, 4}, {.size = 2, .mode = "area"});
  one("pixel_shuffle", {1, 4, 2, 3}, [](const Tensor& x) { return pixel_shuffle(x, 2); });
  one("pixel_unshuffle", {1, 1, 4, 2}, [](const Tensor& x) { return pixel_unshuffle(x, 2); });
  one("unfold", {1, 2, 3, 4}, [](const Tensor& x) { return unfold(x, 2, {.padding = 1, .stride = 2}); });
  one("fold", {1, 8, 6}, [](const Tensor& x) { return fold(x, {3, 4}, 2); });
  for (const std::string mode : {"reflect", "replicate", "circular"}) {
    one("pad " + mode, {2, 3, 4}, [=](const Tensor& x) { return pad(x, {2, 1, 1, 2}, mode); });
  }
  for (const std::string mode : {"bilinear", "bicubic"}) {
    list.add("grid_sample " + mode, [=](const Inputs& in) { return grid_sample(in[0], in[1], {.mode = mode}); },
             {list.normal({1, 2, 3, 4}), list.normal({1, 2, 2, 2}, 0.0, 0.4)});
  }
  list.add("grid_sample border", [](const Inputs& in) { return grid_sample(in[0], in[1], {.padding_mode = "border"}); },
           {list.normal({1, 2, 3, 4}), list.normal({1, 2, 2, 2}, 0.0, 0.4)});
  list.add("grid_sample volume", [](const Inputs& in) { return grid_sample(in[0], in[1]); },
           {list.normal({1, 1, 2, 3, 2}), list.normal({1, 1, 2, 2, 3}, 0.0, 0.4)});
  one("affine_grid", {1, 2, 3}, [](const Tensor& x) { return affine_grid(x, {1, 1, 2, 3}); });
  const Tensor words = list.indices({2, 3}, 4);
  for (const std::string mode : {"sum", "mean", "max"}) {
    one("embedding_bag " + mode, {4, 2}, [=](const Tensor& x) { return embedding_bag(words, x, {}, {.mode = mode}); });
  }
  list.add("bilinear", [](const Inputs& in) { return bilinear(in[0], in[1], in[2], in[3]); },
           {list.normal({2, 3}), list.normal({2, 2}), list.normal({2, 3, 2}), list.normal({2})});
  one("alpha_dropout", {3, 4}, [](const Tensor& x) {
    Generator g(1);
    return alpha_dropout(x, 0.4, true, &g);
  });
  one("dropout2d", {2, 4, 2, 1}, [](const Tensor& x) {
    Generator g(2);
    return dropout2d(x, 0.4, true, &g);
  });
  one("gumbel_softmax", {2, 3}, [](const Tensor& x) {
    Generator g(3);
    return gumbel_softmax(x, 0.8, false, 1, &g);
  });
}

}  // namespace normgrad::tests
