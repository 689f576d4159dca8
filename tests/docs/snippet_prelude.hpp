// The context of the documentation snippets: each runs in its own function, after
//
//   Net net; Tensor images, labels, x, w; auto train, test, batches; SGD optimizer;
//
// as below. Fragments of a document see the types that it defined earlier ("cpp global").
#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "normgrad/normgrad.hpp"

namespace snippets {

using namespace normgrad;

struct Net : Module {
  Linear fc1{784, 32};
  BatchNorm1d norm1{32};
  Linear fc2{32, 10};
  NORMGRAD_MEMBERS(Net, fc1, norm1, fc2)
  Tensor forward(const Tensor& in) override { return fc2(relu(norm1(fc1(in.flatten(1))))); }
};

/// Noise images [1, 28, 28] with labels, instead of a dataset.
inline TensorDataset noise(std::int64_t count) { return {randn({count, 1, 28, 28}), randint(0, 10, {count})}; }

struct Prelude {
  Net net;
  TensorDataset train = noise(96);
  TensorDataset test = noise(32);
  DataLoader batches{train, {.batch_size = 32, .shuffle = true}};
  SGD optimizer{net.parameters(), {.lr = 0.1}};
  Tensor images = randn({8, 1, 28, 28});
  Tensor labels = randint(0, 10, {8});
  Tensor x = randn({8, 784});
  Tensor w = randn({784}, {.requires_grad = true});
};

}  // namespace snippets
