// What the norm operations share: one function from a geometry to a recorded result.
#pragma once

#include <vector>

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/ops/channels_last.hpp"
#include "normgrad/core/ops/norm.hpp"

namespace normgrad::detail {

/// A norm in Tensor operations: x is seen as `view`, statistics go over `axes`, and parameters are seen as `params`,
/// which broadcasts to `view`.
struct NormFormula {
  Shape view;
  Axes axes;
  Shape params;
  double eps;
  bool centre;
};

/// What a norm does, beside the sets that it goes over.
struct NormSettings {
  double eps;
  bool centre;
  NormThen then = {};
};

/// Statistics as the kernels made them: float64, one per set.
struct SetStatistics {
  Tensor mean;
  Tensor rstd;
  Tensor var;  ///< undefined unless asked for
};

/// The number of sets of elements that share a statistic.
inline std::int64_t num_sets(const kernels::RowGeometry& g) noexcept { return g.rows; }
inline std::int64_t num_sets(const kernels::ChannelGeometry& g) noexcept { return g.channels; }

NormFormula formula_of(const kernels::RowGeometry& g, double eps, bool centre);
NormFormula formula_of(const kernels::ChannelGeometry& g, double eps, bool centre);

/// `values`, new, as a function of `of` whose derivative is 0 wherever it has one; these may be undefined.
Tensor locally_constant(Tensor values, const std::vector<Tensor>& of);
/// gy where relu lets it through, in Tensor operations and as relu's own recorded backward has it. `y` is relu's
/// result; relu's derivative is piecewise constant in all `of`, which may be undefined.
Tensor through_relu(const Tensor& gy, const Tensor& y, const std::vector<Tensor>& of);

/// The backward in Tensor operations, with mean and variance computed anew from x: differentiable to any order.
void norm_backward_composed(const NormFormula& formula, const Tensor& gy, const Tensor& x, const Tensor& weight,
                            const Shape& weight_shape, GradSink& into);

/// The norm of x over the sets of `g`, recorded as operation `name`. `statistics` is filled when it is not null.
///
/// With a ReLU neither the tensor before it nor y is kept: the backward knows from x where y is 0.
Tensor norm_over(const char* name, const Tensor& x, const kernels::RowGeometry& g, const Tensor& weight,
                 const Tensor& bias, const NormSettings& how, SetStatistics* statistics = nullptr);
Tensor norm_over(const char* name, const Tensor& x, const kernels::ChannelGeometry& g, const Tensor& weight,
                 const Tensor& bias, const NormSettings& how, SetStatistics* statistics = nullptr);

/// Throws unless eps > 0, x is floating point and weight and bias (where defined) have the shape and x's dtype.
void check_norm(const char* name, const Tensor& x, const Shape& params, const Tensor& weight, const Tensor& bias,
                double eps);
/// [batch, channels, spatial] of x: [N, C, *]; throws ShapeError for fewer than 2 axes.
kernels::ChannelGeometry channel_geometry(const char* name, const Tensor& x);
/// float64 statistics in another dtype.
Tensor rounded(const Tensor& statistics, DType dtype);

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}
template <class T>
T* mutable_data_or_null(Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}

/// The order in which a norm works on the elements of x and of what goes with it: as x lies, where a kernel fits that,
/// else row-major.
class Layout {
 public:
  Layout(const Tensor& x, bool fits) : channels_last_(fits && x.is_channels_last()) {}

  bool is_channels_last() const { return channels_last_; }
  /// A new tensor of the shape and dtype of `like`.
  Tensor empty(const Tensor& like) const {
    return channels_last_ ? Tensor::empty_channels_last(like.shape(), like.dtype())
                          : Tensor::empty(like.shape(), like.dtype());
  }
  /// The elements of t in this order; read() takes the result.
  Tensor ordered(const Tensor& t) const { return channels_last_ ? t.as_channels_last() : t; }
  template <class T>
  const T* read(const Tensor& t) const {
    return channels_last_ ? t.physical_data<T>() : t.data<T>();
  }
  template <class T>
  T* write(Tensor& t) const {
    return channels_last_ ? t.mutable_physical_data<T>() : t.mutable_data<T>();
  }

 private:
  bool channels_last_;
};

}  // namespace normgrad::detail
