// norm_tour: the norms on small inputs whose results are easy to compute by hand. The printed tensors equal PyTorch's.
#include <iostream>
#include <string>
#include <normgrad/normgrad.hpp>

using namespace normgrad;

namespace {

/// [batch, channels, height, width] with the value c + 1 in channel c.
Tensor constant_channels(std::int64_t batch, std::int64_t channels, std::int64_t height = 2, std::int64_t width = 2) {
  return arange(1.0, static_cast<double>(channels) + 1.0, 1.0, {.dtype = kFloat32})
      .reshape({1, channels, 1, 1})
      .expand({batch, channels, height, width});
}

void title(const std::string& text) { std::cout << "\n=== " << text << "\n"; }

/// Prints the error that `make` throws, or that it threw none.
template <class F>
void show_refusal(const std::string& what, F&& make) {
  try {
    make();
    std::cout << what << ": accepted\n";
  } catch (const Error& error) {
    std::cout << what << ": refused\n    " << error.what() << "\n";
  }
}

void tour_batch_norm() {
  title("BatchNorm1d(5, momentum 0.3): 3 examples, feature c all c + 1");
  BatchNorm1d norm(5, {.momentum = 0.3});
  const Tensor x = constant_channels(3, 5, 1, 1).reshape({3, 5, 1});
  for (int iteration = 0; iteration < 2; ++iteration) {
    const Tensor y = norm(x);
    std::cout << "iteration " << iteration << "\noutput:\n"
              << y << "\nrunning_mean: " << norm.running_mean.to(kFloat32)
              << "\nrunning_var: " << norm.running_var.to(kFloat32) << "\n";
  }
}

void tour_layer_norm() {
  title("LayerNorm([3, 2, 2]): 2 examples, channel c all c + 1");
  const Tensor x = constant_channels(2, 3);
  for (const bool affine : {true, false}) {
    LayerNorm norm({3, 2, 2}, {.elementwise_affine = affine});
    std::cout << (affine ? "with" : "without") << " elementwise_affine:\n" << norm(x) << "\n";
  }
  title("LayerNorm: which normalized_shape fits [8, 6, 3, 4]");
  const Tensor wide = ones({8, 6, 3, 4});
  for (const Shape& shape : {Shape{4}, Shape{3, 4}, Shape{6, 3, 4}, Shape{6, 3}}) {
    show_refusal("LayerNorm(" + to_string(shape) + ")", [&] {
      LayerNorm norm(shape);
      norm(wide);
    });
  }
}

void tour_instance_norm() {
  title("InstanceNorm2d(3, momentum 0.3): 3 examples, channel c all c + 1");
  InstanceNorm2d norm(3, {.momentum = 0.3});
  std::cout << norm(constant_channels(3, 3)) << "\n";
}

void tour_group_norm() {
  title("GroupNorm(2, 4): 2 examples, channel c all c + 1");
  GroupNorm norm(2, 4);
  std::cout << norm(constant_channels(2, 4)) << "\n";
  title("GroupNorm: which num_groups fits 4 channels");
  for (const std::int64_t groups : {1, 2, 3, 4}) {
    show_refusal("GroupNorm(" + std::to_string(groups) + ", 4)", [&] { GroupNorm(groups, 4); });
  }
}

}  // namespace

int main() {
  try {
    const NoGradGuard no_grad;
    std::cout << "The norms on inputs whose results can be worked out in one's head.\n";
    tour_batch_norm();
    tour_layer_norm();
    tour_instance_norm();
    tour_group_norm();
  } catch (const std::exception& error) {
    std::cerr << "norm_tour: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
