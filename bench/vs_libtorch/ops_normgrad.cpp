// The operations of ops_cases.hpp in normgrad.
#include <functional>
#include <memory>
#include <normgrad/normgrad.hpp>

namespace side {

using namespace normgrad;  // NOLINT(google-build-using-namespace): a program of a user's kind

inline void set_threads(int n) {
  set_num_threads(n);
  manual_seed(1);
}
inline void clear_grad(Tensor& x) { x.set_grad({}); }
inline void set_gradient(Tensor& x, const Tensor& gradient) { x.set_grad(gradient); }
inline Tensor random_index(std::int64_t n, const std::vector<std::int64_t>& shape) { return randint(0, n, shape); }
inline Tensor permutation(std::int64_t n) { return randperm(n); }
inline Tensor contiguous(const Tensor& x) { return x; }
inline Tensor sum_over(const Tensor& x, std::int64_t axis) { return sum(x, {axis}); }
inline Tensor var_over(const Tensor& x, std::int64_t axis) { return var(x, {axis}); }
inline Tensor max_over(const Tensor& x, std::int64_t axis) { return max(x, {axis}); }
inline Tensor top(const Tensor& x, std::int64_t k) { return topk(x, k).values; }
inline Tensor sorted(const Tensor& x) { return sort(x).values; }
inline Tensor cross_entropy_of(const Tensor& x, const Tensor& target) { return cross_entropy(x, target); }
inline Tensor padded(const Tensor& x) { return pad(x, {1, 1, 1, 1}); }
inline Tensor embedding_of(const Tensor& index, const Tensor& weight) { return embedding(index, weight); }
inline Tensor max_pool_2(const Tensor& x) { return max_pool2d(x, 2); }
inline Tensor max_pool_3(const Tensor& x) { return max_pool3d(x, 2); }
inline Tensor avg_pool_3(const Tensor& x) { return avg_pool3d(x, 2); }
inline Tensor resized(const Tensor& x, bool bilinear) {
  return interpolate(x, {.scale_factor = 2.0, .mode = bilinear ? "bilinear" : "nearest"});
}
inline Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, bool causal) {
  return scaled_dot_product_attention(q, k, v, {.is_causal = causal});
}
inline void clip_norm(const std::vector<Tensor>& parameters, double limit) { clip_grad_norm_(parameters, limit); }

inline auto lstm_step(Tensor x, std::int64_t hidden) {
  auto layer = std::make_shared<LSTM>(x.size(2), hidden);
  x.requires_grad_();
  const Tensor gy = randn({x.size(0), x.size(1), hidden});
  std::vector<Tensor> parameters = layer->parameters();
  return [layer, x, gy, parameters]() mutable {
    x.set_grad({});
    for (Tensor& p : parameters) {
      p.set_grad({});
    }
    (*layer)(x).output.backward(gy);
  };
}

inline auto adamw_step(const std::vector<Tensor>& parameters) {
  return [optimizer = std::make_shared<AdamW>(parameters)] { optimizer->step(); };
}
inline auto sgd_step(const std::vector<Tensor>& parameters) {
  return
      [optimizer = std::make_shared<SGD>(parameters, SGDOptions{.lr = 1e-6, .momentum = 0.9})] { optimizer->step(); };
}

}  // namespace side

#include "ops_cases.hpp"

int main(int argc, char** argv) { return bench::run_operations(argc, argv); }
