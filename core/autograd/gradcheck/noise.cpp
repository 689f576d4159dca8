#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/gradcheck/detail/probe.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad::detail {

namespace {

constexpr int kLines = 4;
constexpr int kPoints = 6;
constexpr double kNearest = 2.0;  // in units of kStride; keeps clear of a jump of f at the inputs themselves
constexpr double kStride = 2.0;   // units in the last place

// Moves all elements of some tensors for its lifetime.
class Moved {
 public:
  explicit Moved(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {
    for (const Tensor& tensor : tensors_) {
      before_.push_back(tensor.to_vector<double>());
    }
  }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  ~Moved() { to(0.0, nullptr); }

  // Moves each element up or down by `units` units in the last place.
  void to(double units, Generator* directions) {
    for (std::size_t k = 0; k < tensors_.size(); ++k) {
      double* data = tensors_[k].mutable_data<double>();
      for (std::size_t i = 0; i < before_[k].size(); ++i) {
        const double x = before_[k][i];
        const double unit = std::ldexp(std::numeric_limits<double>::epsilon(), x == 0.0 ? 0 : std::ilogb(x));
        const double sign = directions == nullptr || directions->uniform() < 0.5 ? -1.0 : 1.0;
        data[i] = x + sign * units * unit;
      }
    }
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::vector<double>> before_;
};

// Difference between L and its value at the inputs. NaN when the shapes of the results differ.
double rise(const std::vector<Tensor>& there, const std::vector<Tensor>& here, const std::vector<Tensor>& weights) {
  long double total = 0.0L;
  for (std::size_t k = 0; k < here.size(); ++k) {
    if (!weights[k].defined()) {
      continue;
    }
    if (k >= there.size() || !there[k].defined() || there[k].shape() != here[k].shape()) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    const double* f1 = there[k].data<double>();
    const double* f0 = here[k].data<double>();
    const double* w = weights[k].data<double>();
    for (std::int64_t i = 0; i < here[k].numel(); ++i) {
      total += static_cast<long double>(w[i]) * (f1[i] - f0[i]);
    }
  }
  return static_cast<double>(total);
}

// Standard deviation of each value of f over lines on which all elements of `moved` take small steps, less the linear
// part. Zero where f gives NaN.
std::vector<double> noise_along_lines(const std::vector<Tensor>& moved, const std::function<std::vector<double>()>& f) {
  Moved tensors(moved);
  std::vector<double> squares;
  for (int line = 0; line < kLines; ++line) {
    std::array<std::vector<double>, kPoints> values;
    for (std::size_t at = 0; at < values.size(); ++at) {
      Generator directions(static_cast<std::uint64_t>(line));  // the same along the whole line
      tensors.to(kStride * (kNearest + static_cast<double>(at)), &directions);
      values[at] = f();
    }
    squares.resize(values[0].size());
    for (std::size_t at = 1; at + 1 < values.size(); ++at) {
      for (std::size_t i = 0; i < squares.size(); ++i) {
        const double bend = values[at - 1][i] - 2.0 * values[at][i] + values[at + 1][i];
        squares[i] += bend * bend / 6.0;  // variance of three independent errors weighted 1, -2 and 1
      }
    }
  }
  for (double& square : squares) {
    square = std::isfinite(square) ? std::sqrt(square / (kLines * (kPoints - 2))) : 0.0;
  }
  return squares;
}

std::vector<Tensor> checked_tensors(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> checked;
  std::copy_if(inputs.begin(), inputs.end(), std::back_inserter(checked), [](auto& x) { return x.requires_grad(); });
  return checked;
}

}  // namespace

double function_noise(const TensorsFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& results,
                      const std::vector<Tensor>& weights) {
  const NoGradGuard no_grad;
  return noise_along_lines(checked_tensors(inputs),
                           [&] { return std::vector<double>{rise(f(inputs), results, weights)}; })[0];
}

std::vector<double> gradient_noise(const std::vector<Tensor>& inputs, const std::vector<Tensor>& weights,
                                   const std::function<std::vector<std::vector<double>>()>& gradients) {
  std::vector<Tensor> moved = checked_tensors(inputs);
  std::copy_if(weights.begin(), weights.end(), std::back_inserter(moved), [](auto& w) { return w.defined(); });
  std::vector<std::size_t> sizes;
  const std::vector<double> noise = noise_along_lines(moved, [&] {
    std::vector<double> all;
    sizes.clear();
    for (const std::vector<double>& of_input : gradients()) {
      all.insert(all.end(), of_input.begin(), of_input.end());
      sizes.push_back(of_input.size());
    }
    return all;
  });
  std::vector<double> largest;
  auto at = noise.begin();
  for (const std::size_t size : sizes) {
    const auto end = at + static_cast<std::ptrdiff_t>(size);
    largest.push_back(size == 0 ? 0.0 : *std::max_element(at, end));
    at = end;
  }
  return largest;
}

}  // namespace normgrad::detail
