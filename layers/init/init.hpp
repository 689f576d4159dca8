// Initializers that fill tensors in place, unrecorded. Names, defaults and formulas are torch.nn.init's.
//
// A tensor is passed as a handle: `xavier_uniform_(net.fc1.weight)` fills the layer's own weight. Random numbers come
// from default_generator() unless a generator is given. float32 and float64 tensors get the same numbers up to
// rounding.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// The nonlinearity that follows the weights; it determines the gain.
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// Which variance to preserve: that of the outputs (fan_in) or that of the gradients (fan_out).
enum class FanMode { fan_in, fan_out };

/// The numbers of inputs per output and of outputs per input: sizes 1 and 0 times the product of the remaining sizes.
struct Fans {
  std::int64_t in;   ///< inputs per output
  std::int64_t out;  ///< outputs per input
};
/// Throws ShapeError for a tensor of fewer than 2 axes.
Fans calculate_fans(const Tensor& weight);

/// The factor that preserves the variance through a nonlinearity. `negative_slope` applies to leaky_relu only.
double calculate_gain(Nonlinearity nonlinearity, double negative_slope = 0.01);

/// Sets every element to `value`.
void constant_(Tensor tensor, double value);
void zeros_(Tensor tensor);
void ones_(Tensor tensor);
/// Uniform in [low, high), or normal with mean and std. Throws ValueError if low > high or std < 0.
void uniform_(Tensor tensor, double low = 0.0, double high = 1.0, Generator* generator = nullptr);
void normal_(Tensor tensor, double mean = 0.0, double std = 1.0, Generator* generator = nullptr);

/// Options of the Xavier initializers.
struct XavierOptions {
  double gain = 1.0;               ///< see calculate_gain()
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// Uniform in +-gain sqrt(6 / (fan_in + fan_out)). Glorot and Bengio, "Understanding the difficulty of training deep
/// feedforward neural networks", 2010.
void xavier_uniform_(Tensor weight, XavierOptions options = {});
/// Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)).
void xavier_normal_(Tensor weight, XavierOptions options = {});

/// Options of the Kaiming initializers.
struct KaimingOptions {
  double a = 0.0;                                        ///< negative slope of the leaky_relu that follows
  FanMode mode = FanMode::fan_in;                        ///< variance to preserve
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;  ///< nonlinearity that follows
  Generator* generator = nullptr;                        ///< null: default_generator()
};
/// Uniform in +-gain sqrt(3 / fan). He et al., "Delving deep into rectifiers", 2015.
void kaiming_uniform_(Tensor weight, KaimingOptions options = {});
/// Normal with standard deviation gain / sqrt(fan).
void kaiming_normal_(Tensor weight, KaimingOptions options = {});

/// Options of trunc_normal_().
struct TruncNormalOptions {
  double mean = 0.0;               ///< before truncation
  double std = 1.0;                ///< before truncation
  double a = -2.0;                 ///< lower bound, as a value rather than a multiple of std
  double b = 2.0;                  ///< upper bound, likewise
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// Normal with mean and std, truncated to [a, b]. Throws ValueError unless std > 0 and a < b.
void trunc_normal_(Tensor tensor, TruncNormalOptions options = {});

/// Options of orthogonal_().
struct OrthogonalOptions {
  double gain = 1.0;               ///< norm of each row or column
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// Fills the tensor, seen as a matrix [size 0, product of the other sizes], with gain times orthonormal rows, or
/// columns if there are fewer of them. The matrix is uniformly distributed among all such. Saxe, McClelland and
/// Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014. Throws
/// ShapeError for fewer than 2 axes.
void orthogonal_(Tensor tensor, OrthogonalOptions options = {});

/// Options of sparse_().
struct SparseOptions {
  double std = 0.01;               ///< of the nonzero values
  Generator* generator = nullptr;  ///< null: default_generator()
};
/// In each column of [rows, columns], sets the fraction `sparsity` of the rows (rounded up) to 0 at random positions,
/// and draws the others from a normal distribution. Martens, "Deep learning via Hessian-free optimization", 2010.
/// Throws ShapeError unless there are 2 axes, and ValueError for a sparsity outside [0, 1] or std < 0.
void sparse_(Tensor tensor, double sparsity, SparseOptions options = {});

/// The identity matrix: 1 on the diagonal of [rows, columns], 0 elsewhere. Throws ShapeError unless there are 2 axes.
void eye_(Tensor tensor);
/// The identity convolution: weight [out, in / groups, kernel...] passes channel i of each group's input to channel i
/// of its output, as far as both exist. Throws ShapeError unless there are 3 to 5 axes, and ValueError for groups that
/// do not divide the first size.
void dirac_(Tensor weight, std::int64_t groups = 1);

class Parameter;
/// PyTorch's initialization of Linear and the convolutions. The weight comes from kaiming_uniform_ with a = sqrt(5),
/// which is uniform in +-1 / sqrt(fan_in). The bias, if any, is uniform in the same range.
void init_weight_and_bias_(Parameter& weight, Parameter& bias, Generator* generator);

}  // namespace normgrad
