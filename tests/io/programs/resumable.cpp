// resumable CHECKPOINT RESULT [HOLD]: a training that saves after every step, resumes from CHECKPOINT if it exists, and
// writes its final weights to RESULT. Prints "step N" to standard error when it begins to save. It has everything that
// can differ between runs: dropout, augmentation with the default generator and with its own, momentum, a schedule, a
// shuffled loader that is interrupted within epochs, and running statistics. After HOLD steps of this start it stops
// advancing and saves repeatedly until it is killed.
#include <cstdlib>
#include <iostream>
#include <normgrad/normgrad.hpp>

using namespace normgrad;

struct Net : Module {
  Linear fc1{6, 16};
  BatchNorm1d norm{16};
  Dropout dropout{0.3};
  Linear fc2{16, 3};
  NORMGRAD_MEMBERS(Net, fc1, norm, dropout, fc2)

  Tensor forward(const Tensor& x) override { return fc2(dropout(relu(norm(fc1(x))))); }
};

TensorDataset make_data() {
  Generator generator(7);
  Tensor inputs = Tensor::empty({50, 6});
  Tensor labels = Tensor::empty({50}, kInt64);
  for (std::int64_t i = 0; i < 300; ++i) {
    inputs.mutable_data<float>()[i] = static_cast<float>(generator.normal());
  }
  for (std::int64_t i = 0; i < 50; ++i) {
    labels.mutable_data<std::int64_t>()[i] = static_cast<std::int64_t>(generator.below(3));
  }
  return {inputs, labels};
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    return 2;
  }
  const int hold = argc == 4 ? std::atoi(argv[3]) : -1;
  int steps_of_this_start = 0;
  manual_seed(1);
  DataLoader batches(make_data(), {.batch_size = 8, .shuffle = true, .seed = 2});
  Net net;
  Adam optimizer(net.parameters(), {.lr = 0.01, .weight_decay = 1e-3});
  Generator noise(3);
  std::int64_t step = 0;
  double loss_sum = 0.0;
  StepLR schedule(optimizer, 2, 0.5);
  const CheckpointParts run = {{"model", net},   {"optimizer", optimizer}, {"loader", batches}, {"schedule", schedule},
                               {"noise", noise}, {"step", step},           {"loss", loss_sum}};
  resume_checkpoint(argv[1], run);
  while (batches.epoch() < 6) {
    for (const auto& [inputs, labels] : batches) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(inputs + 0.1 * noise.normal()), labels);
      loss.backward();
      optimizer.step();
      loss_sum += loss.item();
      std::cerr << "step " << ++step << std::endl;
      ++steps_of_this_start;
      do {
        save_checkpoint(argv[1], run);
      } while (steps_of_this_start == hold);
    }
    schedule.step();
  }
  StateDict result = net.state_dict();
  result["loss_sum"] = Tensor::empty({}, kFloat64).fill_(loss_sum);
  result["lr"] = Tensor::empty({}, kFloat64).fill_(optimizer.lr());
  save_safetensors(argv[2], result, {{"steps", std::to_string(step)}});
  return 0;
}
