// A small training in a consumer project: learning, writing and reading back verify the installed library.
#include <filesystem>
#include <iostream>
#include <normgrad/normgrad.hpp>

using namespace normgrad;

struct Net : Module {
  Conv2d conv{1, 4, 3, {.padding = 1}};
  BatchNorm2d norm{4};
  Linear head{4, 2};
  NORMGRAD_MEMBERS(Net, conv, norm, head)
  Tensor forward(const Tensor& x) override { return head(mean(relu(norm(conv(x))), {2, 3})); }
};

int main() {
  manual_seed(1);
  // Horizontal or vertical stripes.
  Tensor images = zeros({16, 1, 8, 8});
  Tensor labels = zeros({16}, {.dtype = kInt64});
  for (std::int64_t i = 0; i < images.numel(); ++i) {
    const std::int64_t image = i / 64;
    labels.mutable_data<std::int64_t>()[image] = image % 2;
    images.mutable_data<float>()[i] = static_cast<float>((image % 2 == 0 ? i / 8 + image / 2 : i + image / 2) % 2);
  }
  Net net;
  AdamW optimizer(norm_aware_groups(net, AdamWOptions{.lr = 0.05}));
  const double before = cross_entropy(net(images), labels).item();
  for (int step = 0; step < 30; ++step) {
    optimizer.zero_grad();
    cross_entropy(net(images), labels).backward();
    optimizer.step();
  }
  net.eval();
  const NoGradGuard no_grad;
  const Tensor logits = net(images);
  const double after = cross_entropy(logits, labels).item();

  const std::filesystem::path folder = std::filesystem::current_path() / ("written_by_" CONSUMER_USE);
  std::filesystem::create_directories(folder);
  save_safetensors(folder / "net.safetensors", net.state_dict());
  save_npz(folder / "net.npz", net.state_dict());
  Net other;
  other.load_state_dict(load_safetensors(folder / "net.safetensors").tensors);
  other.eval();
  const bool same = other(images).to_vector<float>() == logits.to_vector<float>() &&
                    load_npz(folder / "net.npz").size() == net.state_dict().size();
  std::filesystem::remove_all(folder);

  std::cout << "loss " << before << " -> " << after << ", accuracy " << accuracy(logits, labels)
            << (same ? ", read back\n" : ", NOT read back\n");
  return after < 0.5 * before && accuracy(logits, labels) == 1.0 && same ? 0 : 1;
}
