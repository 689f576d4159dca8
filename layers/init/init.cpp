#include "normgrad/layers/init/init.hpp"

#include <cmath>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace {

template <class Draw>
void fill(const char* where, Tensor& tensor, Generator* generator, Draw draw) {
  Generator& from = generator != nullptr ? *generator : default_generator();
  dispatch_float(where, tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = tensor.mutable_data<T>();
    const std::int64_t n = tensor.numel();
    for (std::int64_t i = 0; i < n; ++i) {
      values[i] = static_cast<T>(draw(from));
    }
  });
}

double kaiming_std(const Tensor& weight, const KaimingOptions& options) {
  const Fans fans = calculate_fans(weight);
  const std::int64_t fan = options.mode == FanMode::fan_in ? fans.in : fans.out;
  return calculate_gain(options.nonlinearity, options.a) / std::sqrt(static_cast<double>(fan));
}

double xavier_std(const Tensor& weight, const XavierOptions& options) {
  const Fans fans = calculate_fans(weight);
  return options.gain * std::sqrt(2.0 / static_cast<double>(fans.in + fans.out));
}

// The limit of the uniform distribution around 0 with standard deviation `std`.
double uniform_limit(double std) { return std::sqrt(3.0) * std; }

}  // namespace

Fans calculate_fans(const Tensor& weight) {
  const Shape& shape = weight.shape();
  require<ShapeError>(shape.dim() >= 2,
                      "init: expected a tensor of at least 2 axes to compute fan_in and fan_out but got ", shape);
  std::int64_t field = 1;
  for (std::size_t i = 2; i < shape.rank(); ++i) {
    field *= shape[i];
  }
  return {.in = shape[1] * field, .out = shape[0] * field};
}

double calculate_gain(Nonlinearity nonlinearity, double negative_slope) {
  switch (nonlinearity) {
    case Nonlinearity::tanh:
      return 5.0 / 3.0;
    case Nonlinearity::relu:
      return std::sqrt(2.0);
    case Nonlinearity::leaky_relu:
      return std::sqrt(2.0 / (1.0 + negative_slope * negative_slope));
    case Nonlinearity::selu:
      return 0.75;
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid:
      break;
  }
  return 1.0;
}

void constant_(Tensor tensor, double value) {
  const NoGradGuard no_grad;
  tensor.fill_(value);
}

void zeros_(Tensor tensor) { constant_(std::move(tensor), 0.0); }

void ones_(Tensor tensor) { constant_(std::move(tensor), 1.0); }

void uniform_(Tensor tensor, double low, double high, Generator* generator) {
  require<ValueError>(low <= high, "uniform_: expected low <= high but got [", low, ", ", high, ")");
  fill("uniform_", tensor, generator, [=](Generator& from) { return low + (high - low) * from.uniform(); });
}

void normal_(Tensor tensor, double mean, double std, Generator* generator) {
  require<ValueError>(std >= 0.0, "normal_: expected std >= 0 but got ", std);
  fill("normal_", tensor, generator, [=](Generator& from) { return mean + std * from.normal(); });
}

void xavier_uniform_(Tensor weight, XavierOptions options) {
  const double limit = uniform_limit(xavier_std(weight, options));
  uniform_(std::move(weight), -limit, limit, options.generator);
}

void xavier_normal_(Tensor weight, XavierOptions options) {
  const double std = xavier_std(weight, options);
  normal_(std::move(weight), 0.0, std, options.generator);
}

void kaiming_uniform_(Tensor weight, KaimingOptions options) {
  const double limit = uniform_limit(kaiming_std(weight, options));
  uniform_(std::move(weight), -limit, limit, options.generator);
}

void kaiming_normal_(Tensor weight, KaimingOptions options) {
  const double std = kaiming_std(weight, options);
  normal_(std::move(weight), 0.0, std, options.generator);
}

void init_weight_and_bias_(Parameter& weight, Parameter& bias, Generator* generator) {
  kaiming_uniform_(weight, {.a = std::sqrt(5.0), .generator = generator});
  if (bias.defined()) {
    const double limit = 1.0 / std::sqrt(static_cast<double>(calculate_fans(weight).in));
    uniform_(bias, -limit, limit, generator);
  }
}

}  // namespace normgrad
