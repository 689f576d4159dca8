#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/pool/pool.hpp"

namespace normgrad::tests {

void add_products(CaseList& list) {
  list.start_family("products");
  struct Operands {
    Shape a;
    Shape b;
  };
  const std::vector<Operands> operands = {
      {{2, 3}, {3, 4}},       {{1, 5}, {5, 1}},    {{4}, {4}},       {{3}, {3, 2}},    {{2, 3}, {3}},
      {{2, 2, 3}, {2, 3, 2}}, {{2, 2, 3}, {3, 2}}, {{3}, {2, 3, 2}}, {{2, 2, 3}, {3}}, {{2, 1, 2, 3}, {2, 3, 2}}};
  for (const Operands& o : operands) {
    list.add("matmul", [](const Inputs& in) { return matmul(in[0], in[1]); }, {list.normal(o.a), list.normal(o.b)});
  }
  for (const Shape& x : {Shape{2, 4}, Shape{4}, Shape{2, 3, 4}, Shape{1, 4}}) {
    list.add("linear", [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
             {list.normal(x), list.normal({3, 4}), list.normal({3})});
    list.add("linear without bias", [](const Inputs& in) { return linear(in[0], in[1]); },
             {list.normal(x), list.normal({3, 4})});
  }
}

void add_convolutions(CaseList& list) {
  list.start_family("convolution and pooling");
  using Conv = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const ConvOptions&);
  const auto conv = [&](const std::string& name, Conv f, const Shape& x, const Shape& w, const ConvOptions& options) {
    list.add(name, [f, options](const Inputs& in) { return f(in[0], in[1], in[2], options); },
             {list.normal(x), list.normal(w), list.normal({w[0]})});
    list.add(name + ", no bias", [f, options](const Inputs& in) { return f(in[0], in[1], {}, options); },
             {list.normal(x), list.normal(w)});
    if (x.rank() >= 3 && x.rank() == w.rank()) {
      list.add(name + ", channels last",
               [f, options](const Inputs& in) { return channels_last(f(channels_last(in[0]), in[1], {}, options)); },
               {list.normal(x), list.normal(w)});
    }
  };
  conv("conv1d", &conv1d, {2, 2, 6}, {3, 2, 3}, {});
  conv("conv1d stride padding dilation", &conv1d, {1, 2, 8}, {2, 2, 2}, {.stride = 2, .padding = 1, .dilation = 2});
  conv("conv1d groups=2", &conv1d, {1, 4, 5}, {4, 2, 2}, {.groups = 2});
  conv("conv1d unbatched", &conv1d, {2, 6}, {3, 2, 3}, {});
  conv("conv2d", &conv2d, {2, 2, 4, 3}, {2, 2, 3, 2}, {});
  conv("conv2d 1x1", &conv2d, {1, 3, 2, 2}, {2, 3, 1, 1}, {});
  conv("conv2d stride=2", &conv2d, {1, 2, 5, 5}, {2, 2, 2, 3}, {.stride = 2});
  conv("conv2d padding=1", &conv2d, {1, 2, 3, 3}, {2, 2, 3, 3}, {.padding = 1});
  conv("conv2d dilation=2", &conv2d, {1, 1, 5, 5}, {2, 1, 2, 2}, {.dilation = 2});
  conv("conv2d groups=2", &conv2d, {1, 4, 3, 3}, {2, 2, 2, 2}, {.groups = 2});
  conv("conv2d depthwise", &conv2d, {1, 3, 4, 4}, {3, 1, 3, 3}, {.padding = 1, .groups = 3});
  conv("conv2d all", &conv2d, {1, 4, 6, 5}, {4, 2, 2, 2}, {.stride = 2, .padding = 1, .dilation = 2, .groups = 2});
  conv("conv3d", &conv3d, {1, 2, 3, 3, 3}, {2, 2, 2, 2, 2}, {});
  conv("conv3d stride padding", &conv3d, {1, 1, 3, 4, 3}, {2, 1, 2, 2, 2}, {.stride = 2, .padding = 1});
  const auto transposed = [&](const std::string& name, const Shape& x, const Shape& w, const ConvTransposeOptions& o) {
    const std::int64_t channels = w[1] * o.groups;
    list.add(name, [o](const Inputs& in) { return conv_transpose2d(in[0], in[1], in[2], o); },
             {list.normal(x), list.normal(w), list.normal({channels})});
    list.add(name + ", no bias", [o](const Inputs& in) { return conv_transpose2d(in[0], in[1], {}, o); },
             {list.normal(x), list.normal(w)});
  };
  transposed("conv_transpose2d", {2, 2, 2, 3}, {2, 2, 2, 2}, {});
  transposed("conv_transpose2d stride=2", {1, 2, 3, 2}, {2, 2, 3, 2}, {.stride = 2, .padding = 1, .output_padding = 1});
  transposed("conv_transpose2d groups=2", {1, 4, 2, 2}, {4, 1, 2, 2}, {.groups = 2, .dilation = 2});

  const auto pool = [&](const std::string& name, const Shape& shape, const std::function<Tensor(const Tensor&)>& f) {
    list.add(name, [f](const Inputs& in) { return f(in[0]); }, {list.distinct(shape)});
    if (shape.rank() >= 3) {
      list.add(name + ", channels last", [f](const Inputs& in) { return channels_last(f(channels_last(in[0]))); },
               {list.distinct(shape)});
    }
  };
  pool("max_pool1d", {2, 2, 6}, [](const Tensor& x) { return max_pool1d(x, 2); });
  pool("max_pool2d", {2, 2, 4, 4}, [](const Tensor& x) { return max_pool2d(x, 2); });
  pool("max_pool2d overlapping", {1, 2, 5, 5},
       [](const Tensor& x) { return max_pool2d(x, 3, {.stride = PerAxis(1), .padding = 1}); });
  pool("max_pool2d dilation=2", {1, 1, 6, 5},
       [](const Tensor& x) { return max_pool2d(x, 2, {.stride = PerAxis(1), .dilation = 2}); });
  pool("avg_pool1d", {2, 2, 6}, [](const Tensor& x) { return avg_pool1d(x, 3); });
  pool("avg_pool2d", {2, 2, 4, 4}, [](const Tensor& x) { return avg_pool2d(x, 2); });
  pool("avg_pool2d padding", {1, 2, 4, 5},
       [](const Tensor& x) { return avg_pool2d(x, 3, {.stride = PerAxis(2), .padding = 1}); });
  pool("avg_pool2d padding not counted", {1, 2, 4, 5}, [](const Tensor& x) {
    return avg_pool2d(x, 3, {.stride = PerAxis(2), .padding = 1, .count_include_pad = false});
  });
  pool("adaptive_avg_pool2d", {1, 2, 5, 4}, [](const Tensor& x) { return adaptive_avg_pool2d(x, {2, 3}); });
  pool("adaptive_avg_pool2d to 1", {2, 3, 3, 3}, [](const Tensor& x) { return adaptive_avg_pool2d(x, 1); });
}

}  // namespace normgrad::tests
