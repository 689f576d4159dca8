// Signal handlers during matrix products: oneDNN 2.6 computes some of them with its stack pointer in a heap block.
#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/values.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::random_tensor;

std::atomic<int> signals_handled = 0;  // by several threads

// A handler with a large stack frame overwrites the memory below the stack pointer.
void overwrite_stack(int) {
  constexpr int kBytes = 8192;
  volatile unsigned char used[kBytes];
  for (int i = 0; i < kBytes; ++i) {
    used[i] = 0xA5;
  }
  signals_handled.fetch_add(used[0] == 0xA5 ? 1 : 0, std::memory_order_relaxed);
}

// An emulator may need longer than a millisecond for the handler.
#if defined(NORMGRAD_EMULATOR)
constexpr long kNanosecondsBetweenSignals = 50'000'000;
#else
constexpr long kNanosecondsBetweenSignals = 1'000'000;
#endif

// Sends SIGALRM to this process at regular intervals. Handlers optionally run on an alternate stack.
class RegularSignals {
 public:
  explicit RegularSignals(bool own_stack) : memory_(std::size_t{1} << 17) {
    stack_t stack = {};
    stack.ss_sp = memory_.data();
    stack.ss_size = memory_.size();
    stack.ss_flags = own_stack ? 0 : SS_DISABLE;
    sigaltstack(&stack, &stack_before_);
    struct sigaction action = {};
    action.sa_handler = overwrite_stack;
    action.sa_flags = SA_RESTART | (own_stack ? SA_ONSTACK : 0);
    sigaction(SIGALRM, &action, &action_before_);
    struct sigevent event = {};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    timer_create(CLOCK_MONOTONIC, &event, &timer_);
    const timespec between = {0, kNanosecondsBetweenSignals};
    const itimerspec interval = {between, between};
    timer_settime(timer_, 0, &interval, nullptr);
  }
  RegularSignals(const RegularSignals&) = delete;
  RegularSignals& operator=(const RegularSignals&) = delete;
  ~RegularSignals() {
    timer_delete(timer_);
    // Ignoring a signal discards a pending one.
    struct sigaction ignored = {};
    ignored.sa_handler = SIG_IGN;
    sigaction(SIGALRM, &ignored, nullptr);
    sigaction(SIGALRM, &action_before_, nullptr);
    sigaltstack(&stack_before_, nullptr);
  }

 private:
  std::vector<char> memory_;
  stack_t stack_before_ = {};
  struct sigaction action_before_ = {};
  timer_t timer_ = {};
};

struct SignalledProduct {
  std::string name;
  std::function<Tensor(const Tensor&, const Tensor&)> forward;
  Shape x, w;
};

// Result and gradients, concatenated.
std::vector<float> run_signalled(const SignalledProduct& product, Tensor x, Tensor w, const Tensor& gy) {
  x.set_grad({});
  w.set_grad({});
  const Tensor y = product.forward(x, w);
  y.backward(gy);
  std::vector<float> all = y.to_vector<float>();
  for (const Tensor& g : {x.grad(), w.grad()}) {
    const std::vector<float> values = g.to_vector<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

std::vector<SignalledProduct> signalled_products() {
  std::vector<SignalledProduct> all;
  const auto name_of = [](const char* what, const Shape& x, const Shape& w) {
    return std::string(what) + " of " + to_string(x) + " and " + to_string(w);
  };
  for (const std::int64_t m : {1, 2, 7, 17, 64, 250}) {
    for (const std::int64_t n : {1, 3, 24, 100, 1000}) {
      for (const std::int64_t k : {9, 128, 1000, 5000}) {
        if (m * n * k > 6'000'000) {
          continue;
        }
        const Shape x{m, k}, w{k, n}, transposed{n, k};
        all.push_back({name_of("matmul", x, w), [](const Tensor& a, const Tensor& b) { return matmul(a, b); }, x, w});
        all.push_back({name_of("linear", x, transposed), [](const Tensor& a, const Tensor& b) { return linear(a, b); },
                       x, transposed});
      }
    }
  }
  const Shape batches{6, 40, 300}, factors{6, 300, 50};
  all.push_back({name_of("matmul", batches, factors), [](const Tensor& a, const Tensor& b) { return matmul(a, b); },
                 batches, factors});
  struct Window {
    std::int64_t kernel;
    ConvOptions options;
  };
  for (const Window& window : {Window{1, {}}, Window{3, {.padding = 1}}, Window{5, {.stride = 2}},
                               Window{3, {.padding = 2, .dilation = 2}}, Window{3, {.padding = 1, .groups = 2}}}) {
    for (const std::int64_t c_in : {2, 6, 64, 500}) {
      for (const std::int64_t c_out : {4, 30, 128}) {
        const Shape x{2, c_in, 14, 14}, w{c_out, c_in / window.options.groups, window.kernel, window.kernel};
        if (w.numel() > 400'000) {
          continue;
        }
        all.push_back(
            {name_of("conv2d", x, w),
             [options = window.options](const Tensor& a, const Tensor& b) { return conv2d(a, b, {}, options); }, x, w});
      }
    }
  }
  return all;
}

class SignalsTest : public testing::TestWithParam<bool> {};

TEST_P(SignalsTest, LeaveProductsAndTheHeapAsTheyAre) {
  const std::vector<SignalledProduct> all = signalled_products();
  EXPECT_GE(all.size(), 200U);
  for (const SignalledProduct& product : all) {
    const Tensor x = random_tensor(product.x, kFloat32, 1).requires_grad_();
    const Tensor w = random_tensor(product.w, kFloat32, 2).requires_grad_();
    const Tensor gy = random_tensor(product.forward(x, w).shape(), kFloat32, 3);
    const std::vector<float> undisturbed = run_signalled(product, x, w, gy);
    signals_handled = 0;
    const RegularSignals signals(GetParam());
    while (signals_handled < 1) {
      ASSERT_EQ(run_signalled(product, x, w, gy), undisturbed) << product.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Handler, SignalsTest, testing::Bool(),
                         [](const auto& param) { return param.param ? "OnItsOwnStack" : "OnTheThreadsStack"; });

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
