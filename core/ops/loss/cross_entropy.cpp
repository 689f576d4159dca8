#include "normgrad/core/kernels/reduce/cross_entropy.hpp"

#include <algorithm>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/loss_check.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

std::size_t class_axis(const Tensor& x) { return x.dim() == 1 ? 0 : 1; }

void check_options(const char* where, const Tensor& x, const Tensor& weight, Reduction reduction) {
  require<DTypeError>(is_floating_point(x.dtype()), where, ": expected a float32 or float64 input but got ", x.dtype());
  require<ShapeError>(x.dim() >= 1 && x.shape()[class_axis(x)] >= 1, where,
                      ": expected an input [N, C], [C] or [N, C, ...] but got ", x.shape());
  const Shape per_class{x.shape()[class_axis(x)]};
  require<ShapeError>(!weight.defined() || weight.shape() == per_class, where, ": expected a weight ", per_class,
                      " but got ", weight.defined() ? weight.shape() : per_class);
  require<DTypeError>(!weight.defined() || weight.dtype() == x.dtype(), where, ": expected a weight of ", x.dtype(),
                      " but got ", weight.defined() ? weight.dtype() : x.dtype());
  require<ValueError>(reduction != Reduction::batchmean, where,
                      ": expected reduction none, mean or sum but got batchmean, which is for kl_div only");
  detail::check_something_to_average(where, x, reduction);
}

// The remedy for a target that is not int64 of the expected shape.
const char* advice_for(const Tensor& target, const Shape& expected) {
  if (target.shape() == expected) {
    return target.dtype() == kInt64 ? "" : "; convert class indices with target.to(kInt64)";
  }
  return target.shape().rank() > 0 && target.shape().back() == 1 && target.numel() == expected.numel()
             ? "; drop the last axis with target.squeeze(-1)"
             : "";
}

void check_indices(const char* where, const Tensor& target, std::int64_t classes, std::int64_t ignore_index) {
  const auto* t = target.data<std::int64_t>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    require<IndexError>((t[i] >= 0 && t[i] < classes) || t[i] == ignore_index, where,
                        ": expected class indices in [0, ", classes, ") but got ", t[i], " at position ", i,
                        "; the last layer needs one output for each class");
  }
}

// [N, C, d1, ...] -> [N * d1 * ..., C]: one row per target, in its row-major order.
Tensor as_rows(const Tensor& x) {
  if (x.dim() == 2) {
    return x;
  }
  const std::int64_t classes = x.shape()[class_axis(x)];
  const Shape rows{x.numel() / classes, classes};
  if (x.dim() == 1) {
    return reshape_to(x, rows);
  }
  std::vector<std::int64_t> axes{0};
  for (std::int64_t i = 2; i < x.dim(); ++i) {
    axes.push_back(i);
  }
  axes.push_back(1);
  return reshape_to(permute(x, axes), rows);
}

// The sum of the weights of the targets that are not ignored.
double total_weight(const Tensor& target, const Tensor& weight, std::int64_t ignore_index) {
  const std::vector<double> w = weight.defined() ? weight.to_vector<double>() : std::vector<double>();
  const auto* t = target.data<std::int64_t>();
  double total = 0.0;
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    if (t[i] != ignore_index) {
      total += w.empty() ? 1.0 : w[static_cast<std::size_t>(t[i])];
    }
  }
  return total;
}

Tensor reduce_rows(const Tensor& losses, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                   Reduction reduction) {
  if (reduction == Reduction::none) {
    return reshape_to(losses, target.shape());
  }
  const Tensor total = sum(losses);
  return reduction == Reduction::sum ? total : total / total_weight(target, weight, ignore_index);
}

template <class T>
kernels::CrossEntropyRows<T> kernel_rows(const Tensor& x, const Tensor& target, const Tensor& weight,
                                         const CrossEntropyOptions& options) {
  return {x.data<T>(),
          target.data<std::int64_t>(),
          weight.defined() ? weight.data<T>() : nullptr,
          x.shape()[0],
          x.shape()[1],
          options.ignore_index,
          options.label_smoothing};
}

// The factors of a row's log-softmax, up to the sign: q in kernels/cross_entropy.hpp. Zeros for ignored rows.
Tensor target_rows(const Tensor& x, const Tensor& target, const Tensor& weight, const CrossEntropyOptions& options) {
  const std::int64_t classes = x.shape()[1];
  const std::vector<double> w =
      weight.defined() ? weight.to_vector<double>() : std::vector<double>(static_cast<std::size_t>(classes), 1.0);
  const auto* t = target.data<std::int64_t>();
  Tensor q = zeros_like(x);
  dispatch_float("cross_entropy", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = q.mutable_data<T>();
    for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
      for (std::int64_t c = 0; c < classes && t[i] != options.ignore_index; ++c) {
        const double share =
            (t[i] == c ? 1.0 - options.label_smoothing : 0.0) + options.label_smoothing / static_cast<double>(classes);
        to[i * classes + c] = static_cast<T>(share * w[static_cast<std::size_t>(c)]);
      }
    }
  });
  return q;
}

// The losses [N] of x: [N, C] with target: [N].
Tensor cross_entropy_rows(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options) {
  Tensor losses = Tensor::empty({x.shape()[0]}, x.dtype());
  Tensor logsumexp = Tensor::empty({x.shape()[0]}, x.dtype());
  dispatch_float("cross_entropy", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::cross_entropy_forward(kernel_rows<T>(x, target, options.weight, options), losses.mutable_data<T>(),
                                   logsumexp.mutable_data<T>());
  });
  const auto backward = [x = Saved(x), target = Saved(target), weight = Saved(options.weight), logsumexp, options](
                            const Tensor& gy, GradSink& into) {
    if (is_grad_enabled()) {
      const Tensor q = target_rows(x.get(), target.get(), weight.get(), options);
      const Tensor kept = ne(target.get(), options.ignore_index);
      const Tensor g = unsqueeze(where(kept, gy, zeros({}, {.dtype = gy.dtype()})), 1);
      into.add(0, g * (softmax(x.get(), 1) * sum(q, 1, true) - q));
      return;
    }
    Tensor gx = Tensor::empty(x.get().shape(), gy.dtype());
    dispatch_float("cross_entropy", gy.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::cross_entropy_backward(kernel_rows<T>(x.get(), target.get(), weight.get(), options), logsumexp.data<T>(),
                                      gy.data<T>(), gx.mutable_data<T>());
    });
    into.add(0, gx);
  };
  return record("cross_entropy", std::move(losses), {x}, backward);
}

Tensor cross_entropy_with_probabilities(const Tensor& logits, const Tensor& target,
                                        const CrossEntropyOptions& options) {
  require<ValueError>(options.ignore_index < 0,
                      "cross_entropy: expected a target of class indices for ignore_index but got probabilities");
  const std::size_t axis = class_axis(logits);
  const std::int64_t classes = logits.shape()[axis];
  const double smoothing = options.label_smoothing;
  Tensor q = smoothing > 0.0 ? target * (1.0 - smoothing) + smoothing / static_cast<double>(classes) : target;
  if (options.weight.defined()) {
    Shape shape(std::vector<std::int64_t>(logits.shape().rank(), 1));
    shape[axis] = classes;
    q = q * reshape_to(options.weight, shape);
  }
  const auto signed_axis = static_cast<std::int64_t>(axis);
  Tensor losses = -sum(detail::weighted(q, log_softmax(logits, signed_axis)), signed_axis);
  switch (options.reduction) {
    case Reduction::none:
      return losses;
    case Reduction::sum:
      return sum(losses);
    default:
      return mean(losses);
  }
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  check_options("cross_entropy", logits, options.weight, options.reduction);
  require<ValueError>(options.label_smoothing >= 0.0 && options.label_smoothing <= 1.0,
                      "cross_entropy: expected a label_smoothing in [0, 1] but got ", options.label_smoothing);
  if (target.dtype() == logits.dtype() && target.shape() == logits.shape()) {
    return cross_entropy_with_probabilities(logits, target, options);
  }
  Shape expected = logits.shape();
  expected.erase(class_axis(logits));
  require<ShapeError>(target.dtype() == kInt64 && target.shape() == expected,
                      "cross_entropy: expected a target of int64 ", expected, " (class indices) or ", logits.dtype(),
                      " ", logits.shape(), " (probabilities) but got ", target.dtype(), " ", target.shape(),
                      advice_for(target, expected));
  check_indices("cross_entropy", target, logits.shape()[class_axis(logits)], options.ignore_index);
  const Tensor losses = cross_entropy_rows(as_rows(logits), target.alias({target.numel()}), options);
  return reduce_rows(losses, target, options.weight, options.ignore_index, options.reduction);
}

Tensor nll_loss(const Tensor& log_probs, const Tensor& target, const NllLossOptions& options) {
  check_options("nll_loss", log_probs, options.weight, options.reduction);
  Shape expected = log_probs.shape();
  expected.erase(class_axis(log_probs));
  require<ShapeError>(target.dtype() == kInt64 && target.shape() == expected, "nll_loss: expected a target of int64 ",
                      expected, " but got ", target.dtype(), " ", target.shape(), advice_for(target, expected));
  check_indices("nll_loss", target, log_probs.shape()[class_axis(log_probs)], options.ignore_index);

  const Tensor indices = target.alias({target.numel()});
  const Tensor kept = ne(indices, options.ignore_index);
  const Tensor valid = where(kept, indices, zeros({}, {.dtype = kInt64}));
  Tensor losses = -squeeze(gather(as_rows(log_probs), 1, unsqueeze(valid, 1)), 1);
  if (options.weight.defined()) {
    losses = detail::weighted(index_select(options.weight.detach(), 0, valid), losses);
  }
  losses = where(kept, losses, zeros({}, {.dtype = log_probs.dtype()}));
  return reduce_rows(losses, target, options.weight, options.ignore_index, options.reduction);
}

}  // namespace normgrad
