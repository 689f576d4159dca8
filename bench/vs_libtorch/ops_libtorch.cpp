// The operations of ops_cases.hpp in LibTorch.
#include <functional>
#include <memory>
#include <torch/torch.h>

namespace side {

// Functions of tensors are found by their argument.
using torch::rand;
using torch::randn;
using torch::Tensor;
using torch::zeros;
namespace functional = torch::nn::functional;

inline void set_threads(int n) {
  torch::set_num_threads(n);
  torch::manual_seed(1);
}
inline void clear_grad(Tensor& x) { x.mutable_grad() = Tensor(); }
inline void set_gradient(Tensor& x, const Tensor& gradient) { x.mutable_grad() = gradient; }
inline Tensor random_index(std::int64_t n, const std::vector<std::int64_t>& shape) {
  return torch::randint(n, shape, torch::kInt64);
}
inline Tensor permutation(std::int64_t n) { return torch::randperm(n, torch::kInt64); }
inline Tensor contiguous(const Tensor& x) { return x.contiguous(); }
inline Tensor sum_over(const Tensor& x, std::int64_t axis) { return x.sum(axis); }
inline Tensor var_over(const Tensor& x, std::int64_t axis) { return x.var(std::vector<std::int64_t>{axis}); }
inline Tensor max_over(const Tensor& x, std::int64_t axis) { return std::get<0>(x.max(axis)); }
inline Tensor top(const Tensor& x, std::int64_t k) { return std::get<0>(x.topk(k)); }
inline Tensor sorted(const Tensor& x) { return std::get<0>(x.sort()); }
inline Tensor cross_entropy_of(const Tensor& x, const Tensor& target) { return functional::cross_entropy(x, target); }
inline Tensor padded(const Tensor& x) { return functional::pad(x, functional::PadFuncOptions({1, 1, 1, 1})); }
inline Tensor embedding_of(const Tensor& index, const Tensor& weight) { return torch::embedding(weight, index); }
inline Tensor max_pool_2(const Tensor& x) { return torch::max_pool2d(x, 2); }
inline Tensor max_pool_3(const Tensor& x) { return torch::max_pool3d(x, 2); }
inline Tensor avg_pool_3(const Tensor& x) { return torch::avg_pool3d(x, 2); }
inline Tensor resized(const Tensor& x, bool bilinear) {
  auto options = functional::InterpolateFuncOptions().scale_factor(std::vector<double>{2.0, 2.0});
  if (bilinear) {
    return functional::interpolate(x, options.mode(torch::kBilinear).align_corners(false));
  }
  return functional::interpolate(x, options.mode(torch::kNearest));
}
inline Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, bool causal) {
#if TORCH_VERSION_MAJOR >= 2
  return torch::scaled_dot_product_attention(q, k, v, {}, 0.0, causal);
#else  // composed, as models for it do
  Tensor scores = torch::matmul(q * (1.0 / std::sqrt(static_cast<double>(q.size(-1)))), k.transpose(-2, -1));
  if (causal) {
    scores = scores.masked_fill(torch::ones({q.size(-2), k.size(-2)}, torch::kBool).triu(1), -INFINITY);
  }
  return torch::matmul(scores.softmax(-1), v);
#endif
}
inline void clip_norm(const std::vector<Tensor>& parameters, double limit) {
  torch::nn::utils::clip_grad_norm_(parameters, limit);
}

inline auto lstm_step(Tensor x, std::int64_t hidden) {
  torch::nn::LSTM layer(torch::nn::LSTMOptions(x.size(2), hidden));
  x.requires_grad_();
  const Tensor gy = torch::randn({x.size(0), x.size(1), hidden});
  std::vector<Tensor> parameters = layer->parameters();
  return [layer, x, gy, parameters]() mutable {
    x.mutable_grad() = Tensor();
    for (Tensor& p : parameters) {
      p.mutable_grad() = Tensor();
    }
    std::get<0>(layer(x)).backward(gy);
  };
}

inline auto adamw_step(const std::vector<Tensor>& parameters) {
  return [optimizer = std::make_shared<torch::optim::AdamW>(parameters)] { optimizer->step(); };
}
inline auto sgd_step(const std::vector<Tensor>& parameters) {
  const auto options = torch::optim::SGDOptions(1e-6).momentum(0.9);
  return [optimizer = std::make_shared<torch::optim::SGD>(parameters, options)] { optimizer->step(); };
}

}  // namespace side

#include "ops_cases.hpp"

int main(int argc, char** argv) { return bench::run_operations(argc, argv); }
