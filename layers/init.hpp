// Filling tensors with starting values, in place and unrecorded. Names, defaults and formulas are torch.nn.init's.
//
// A tensor is passed as a handle: `xavier_uniform_(net.fc1.weight)` fills the layer's own weight. Random numbers come
// from default_generator() unless a generator is given; float32 and float64 tensors get the same numbers, but for
// rounding.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// What stands behind the weights, for the gain of an initialisation.
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// Keeps the variance of the results (fan_in) or of the gradients (fan_out).
enum class FanMode { fan_in, fan_out };

/// Inputs of one result and results of one input: sizes 1 and 0 times the product of the further ones.
struct Fans {
  std::int64_t in;   ///< inputs of one result
  std::int64_t out;  ///< results of one input
};
/// Throws ShapeError for tensors of fewer than 2 axes.
Fans calculate_fans(const Tensor& weight);

/// The factor that keeps the variance through a nonlinearity; `negative_slope` counts for leaky_relu only.
double calculate_gain(Nonlinearity nonlinearity, double negative_slope = 0.01);

/// All elements become that number.
void constant_(Tensor tensor, double value);
void zeros_(Tensor tensor);
void ones_(Tensor tensor);
/// Uniform in [low, high).
void uniform_(Tensor tensor, double low = 0.0, double high = 1.0, Generator* generator = nullptr);
void normal_(Tensor tensor, double mean = 0.0, double std = 1.0, Generator* generator = nullptr);

/// Options of the Xavier initialisers.
struct XavierOptions {
  double gain = 1.0;               ///< see calculate_gain()
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// Uniform in +-gain sqrt(6 / (fan_in + fan_out)); Glorot and Bengio, "Understanding the difficulty of training deep
/// feedforward neural networks", 2010.
void xavier_uniform_(Tensor weight, XavierOptions options = {});
/// Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)).
void xavier_normal_(Tensor weight, XavierOptions options = {});

/// Options of the Kaiming initialisers.
struct KaimingOptions {
  double a = 0.0;                                        ///< negative slope of the leaky_relu that follows
  FanMode mode = FanMode::fan_in;                        ///< which variance stays
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;  ///< what follows
  Generator* generator = nullptr;                        ///< null: default_generator()
};
/// Uniform in +-gain sqrt(3 / fan); He et al., "Delving deep into rectifiers", 2015.
void kaiming_uniform_(Tensor weight, KaimingOptions options = {});
/// Normal with standard deviation gain / sqrt(fan).
void kaiming_normal_(Tensor weight, KaimingOptions options = {});

/// Options of trunc_normal_().
struct TruncNormalOptions {
  double mean = 0.0;               ///< of the values before the cut
  double std = 1.0;                ///< of the values before the cut
  double a = -2.0;                 ///< no value is below
  double b = 2.0;                  ///< none is above; both are values, not multiples of std
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// Normal with mean and std, as far as it lies in [a, b]. Throws ValueError unless std > 0 and a < b.
void trunc_normal_(Tensor tensor, TruncNormalOptions options = {});

/// Options of orthogonal_().
struct OrthogonalOptions {
  double gain = 1.0;               ///< the length of each row or column
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// As a matrix [size 0, the rest]: gain times rows, or columns, whichever are fewer, that are orthonormal; uniform
/// among all such (Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
/// neural networks", 2014). Throws ShapeError for fewer than 2 axes.
void orthogonal_(Tensor tensor, OrthogonalOptions options = {});

/// Options of sparse_().
struct SparseOptions {
  double std = 0.01;               ///< of the values that are not 0
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// [rows, columns]: in each column the part `sparsity` of the rows (rounded up) is 0, at random places, the others are
/// normal (Martens, "Deep learning via Hessian-free optimization", 2010). Throws ShapeError unless there are 2 axes,
/// ValueError for a sparsity outside [0, 1].
void sparse_(Tensor tensor, double sparsity, SparseOptions options = {});

/// The identity: 1 on the diagonal of [rows, columns], else 0. Throws ShapeError unless there are 2 axes.
void eye_(Tensor tensor);
/// The identity of convolutions: a weight [out, in / groups, kernel...] that gives channel i of each group's input as
/// channel i of its result, as far as both exist. Throws ShapeError unless there are 3 to 5 axes, ValueError for groups
/// that do not divide the first size.
void dirac_(Tensor weight, std::int64_t groups = 1);

class Parameter;
/// PyTorch's start of Linear and the convolutions: weight from kaiming_uniform_ with a = sqrt(5), which is uniform in
/// +-1 / sqrt(fan_in), and so is the bias, where there is one.
void init_weight_and_bias_(Parameter& weight, Parameter& bias, Generator* generator);

}  // namespace normgrad
