// Modules, losses and optimizers together.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

struct Xor : Module {
  Linear hidden{2, 8};
  Linear out{8, 1};
  NORMGRAD_MEMBERS(Xor, hidden, out)
  Tensor forward(const Tensor& x) override { return out(tanh(hidden(x))); }
};

double train(const std::function<std::unique_ptr<Optimizer>(Module&)>& make, int steps, DType dtype) {
  manual_seed(1);
  Xor model;
  const std::unique_ptr<Optimizer> optimizer = make(model);
  model.to(dtype);  // after the optimizer has stored its handles
  const Tensor x = tensor({{0, 0}, {0, 1}, {1, 0}, {1, 1}}, {.dtype = dtype});
  const Tensor target = tensor({{0}, {1}, {1}, {0}}, {.dtype = dtype});
  double loss = 0.0;
  for (int i = 0; i < steps; ++i) {
    optimizer->zero_grad();
    const Tensor error = model(x) - target;
    const Tensor mean_square = mean(error * error);
    mean_square.backward();
    optimizer->step();
    loss = mean_square.item();
  }
  return loss;
}

TEST(TrainingTest, EveryOptimizerLearnsXor) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    // Starts at 0.25, the loss of the best constant answer.
    EXPECT_LT(
        train([](Module& m) { return std::make_unique<SGD>(m.parameters(), SGDOptions{.lr = 0.1, .momentum = 0.9}); },
              500, dtype),
        1e-3);
    EXPECT_LT(
        train([](Module& m) { return std::make_unique<Adam>(m.parameters(), AdamOptions{.lr = 0.05}); }, 300, dtype),
        1e-3);
    EXPECT_LT(
        train([](Module& m) { return std::make_unique<AdamW>(m.parameters(), AdamWOptions{.lr = 0.05}); }, 300, dtype),
        1e-3);
  }
}

TEST(TrainingTest, AStateThatWasConvertedGoesOn) {
  const Tensor start = tensor({1.0, 2.0});
  Tensor param = clone(start);
  param.requires_grad_();
  SGD optimizer({param}, {.lr = 0.5, .momentum = 0.5});
  param.set_grad(ones({2}));
  optimizer.step();
  param.set_data(param.detach().to(kFloat64));
  param.set_grad(ones({2}, {.dtype = kFloat64}));
  optimizer.step();
  EXPECT_EQ(param.to_vector<double>(), (std::vector{1.0 - 0.5 - 0.75, 2.0 - 0.5 - 0.75}));
  param.set_data(zeros({3}, {.dtype = kFloat64}));
  param.set_grad(ones({3}, {.dtype = kFloat64}));
  EXPECT_THROW(optimizer.step(), ShapeError);
}

TEST(TrainingTest, StepsChangeWhatABackwardStillNeeds) {
  Tensor param = tensor({2.0, 3.0});
  param.requires_grad_();
  SGD optimizer({param}, {.lr = 0.5});
  const Tensor y = sum(param * param);
  param.set_grad(ones({2}));
  optimizer.step();
  EXPECT_THROW(y.backward(), GraphError);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
