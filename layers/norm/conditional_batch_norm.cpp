#include "normgrad/layers/norm/conditional_batch_norm.hpp"

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(ConditionalBatchNorm2d, norm, weight, bias)

ConditionalBatchNorm2d::ConditionalBatchNorm2d(std::int64_t num_features, std::int64_t num_classes,
                                               const ConditionalBatchNormOptions& options)
    : norm(num_features, {.eps = options.eps,
                          .momentum = options.momentum,
                          .affine = false,
                          .track_running_stats = options.track_running_stats,
                          .single_value = options.single_value,
                          .dtype = options.dtype}),
      num_classes_(num_classes) {
  require<ValueError>(num_classes > 0, "ConditionalBatchNorm2d: expected num_classes > 0 but got ", num_classes);
  weight = Parameter(ones({num_classes, num_features}, {.dtype = options.dtype}));
  bias = Parameter(zeros({num_classes, num_features}, {.dtype = options.dtype}));
}

std::string ConditionalBatchNorm2d::extra_repr() const { return detail::concat(num_features(), ", ", num_classes_); }

void ConditionalBatchNorm2d::reset_parameters() {
  norm.reset_running_stats();
  const NoGradGuard no_grad;
  weight.fill_(1.0);
  bias.fill_(0.0);
}

Tensor ConditionalBatchNorm2d::forward(const Tensor& x, const Tensor& label) {
  require<DTypeError>(label.dtype() == kInt64, "ConditionalBatchNorm2d: expected a label of int64 but got ",
                      label.dtype());
  require<ShapeError>(x.dim() == 4 && label.shape() == Shape{x.size(0)}, "ConditionalBatchNorm2d: expected x [N, ",
                      num_features(), ", H, W] and label [N] but got ", x.shape(), " and ", label.shape());
  for (const std::int64_t value : label.to_vector<std::int64_t>()) {
    require<IndexError>(value >= 0 && value < num_classes_, "ConditionalBatchNorm2d: expected labels in [0, ",
                        num_classes_, ") but got ", value);
  }
  const std::vector<std::int64_t> per_sample = {x.size(0), num_features(), 1, 1};
  return norm(x) * embedding(label, weight).reshape(per_sample) + embedding(label, bias).reshape(per_sample);
}

}  // namespace normgrad
