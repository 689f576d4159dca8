#include <iostream>
#include <normgrad/normgrad.hpp>

using namespace normgrad;

struct Net : Module {
  Linear fc1{784, 100};
  BatchNorm1d norm1{100};
  Linear fc2{100, 10};
  NORMGRAD_MEMBERS(Net, fc1, norm1, fc2)

  Tensor forward(const Tensor& x) override { return fc2(relu(norm1(fc1(x.flatten(1))))); }
};

int main() {
  manual_seed(1);
  const auto [train, test] = open_dataset("digits");  // or "fashion-mnist", or a folder of IDX files
  DataLoader batches(train, {.batch_size = 60, .shuffle = true});
  Net net;
  SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  for (int epoch = 1; epoch <= 5; ++epoch) {
    for (const auto& [images, labels] : batches) {
      optimizer.zero_grad();
      cross_entropy(net(images), labels).backward();
      optimizer.step();
    }
  }
  net.eval();
  const NoGradGuard no_grad;
  const auto [images, labels] = test.all();
  std::cout << "test accuracy: " << accuracy(net(images), labels) << std::endl;
}
