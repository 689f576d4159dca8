// Samples from distributions given by tensors. They draw from default_generator() unless a generator is given, and the
// same numbers for any number of threads. Creation functions such as rand() and randn() are in creation.hpp.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// Uniform in [0, 1), with the shape and dtype of x. Throws DTypeError unless x is float32 or float64, as all do here.
Tensor rand_like(const Tensor& x, Generator* generator = nullptr);
/// Normal with mean 0 and standard deviation 1, with the shape and dtype of x.
Tensor randn_like(const Tensor& x, Generator* generator = nullptr);
/// Normal with the given means and standard deviations, which broadcast. No gradient passes: for a reparameterized
/// sample write mean + std * randn_like(mean). Throws ValueError for a negative standard deviation.
Tensor normal(const Tensor& mean, const Tensor& std, Generator* generator = nullptr);
Tensor normal(const Tensor& mean, double std = 1.0, Generator* generator = nullptr);
Tensor normal(double mean, const Tensor& std, Generator* generator = nullptr);
Tensor normal(double mean, double std, const Shape& shape, TensorOptions options = {}, Generator* generator = nullptr);
/// 1 with the probability that the element says, otherwise 0; the dtype of `p`, without a gradient. Throws ValueError
/// for a probability outside [0, 1].
Tensor bernoulli(const Tensor& p, Generator* generator = nullptr);
/// The same with one probability, in the shape and dtype of x.
Tensor bernoulli(const Tensor& x, double p, Generator* generator = nullptr);
/// Draws num_samples indices with probabilities proportional to the weights: [n] -> [num_samples], or [m, n] -> [m,
/// num_samples] row by row; int64. Without replacement, indices are different and in the order of drawing (Efraimidis
/// and Spirakis, "Weighted random sampling with a reservoir", 2006). Throws ValueError for weights that are negative,
/// not finite or all 0, and for more samples than weights above 0 when drawing without replacement.
Tensor multinomial(const Tensor& weights, std::int64_t num_samples, bool replacement = false,
                   Generator* generator = nullptr);
/// A sample of the Gumbel-softmax distribution: softmax((logits + g) / tau), where g is Gumbel noise. With `hard` the
/// result is one-hot and the gradient that of the soft sample. Jang et al., "Categorical reparameterization with
/// Gumbel-softmax", 2017. Throws ValueError unless tau > 0.
Tensor gumbel_softmax(const Tensor& logits, double tau = 1.0, bool hard = false, std::int64_t axis = -1,
                      Generator* generator = nullptr);

}  // namespace normgrad
