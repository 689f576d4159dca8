#include <iostream>
#include <normgrad/normgrad.hpp>

using namespace normgrad;

struct Net : Module {
  Conv2d conv{1, 16, 3, {.padding = 1, .bias = false}};
  BatchNorm2d norm{16};
  Linear fc{16 * 14 * 14, 10};
  NORMGRAD_MEMBERS(Net, conv, norm, fc)

  Tensor forward(const Tensor& x) override { return fc(max_pool2d(relu(norm(conv(x))), 2).flatten(1)); }
};

int main() {
  manual_seed(1);
  const auto [train, test] = open_dataset("digits");
  DataLoader batches(train, {.batch_size = 60, .shuffle = true});
  Net net;
  AdamW optimizer(norm_aware_groups(net, AdamWOptions{.lr = 3e-3, .weight_decay = 0.01}));
  CosineAnnealingLR schedule(optimizer, 3 * batches.num_batches());
  const CheckpointParts run = {{"model", net}, {"optimizer", optimizer}, {"schedule", schedule}, {"loader", batches}};
  resume_checkpoint("training_kit.ckpt", run);  // nothing at the first start; kill it at any moment, and start it again
  while (batches.epoch() < 3) {
    Progress bar("epoch " + std::to_string(batches.epoch() + 1), batches.num_batches());
    for (const auto& [images, labels] : batches) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(images), labels);
      loss.backward();
      optimizer.step();
      schedule.step();
      bar.advance({{"loss", loss.item()}, {"lr", optimizer.lr()}});
    }
    save_checkpoint("training_kit.ckpt", run);
  }
  save_safetensors("training_kit.safetensors", net);  // for PyTorch, or for load_safetensors() here
  net.eval();
  const NoGradGuard no_grad;
  const auto [images, labels] = test.all();
  std::cout << "test accuracy: " << accuracy(net(images), labels) << std::endl;
}
