#include "normgrad/core/ops/loss/ctc.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/recurrent/ctc.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/loss_check.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/logic/logic.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// The targets of a batch and all lengths, checked.
struct CtcTargets {
  std::vector<std::int64_t> classes = {};
  std::vector<std::int64_t> starts = {};
  std::vector<std::int64_t> lengths = {};
  std::vector<std::int64_t> input_lengths = {};
  std::int64_t blank = 0;

  kernels::CtcProblem problem(const Tensor& x) const {
    return {x.size(0),      x.size(1),     x.size(2),      blank,
            classes.data(), starts.data(), lengths.data(), input_lengths.data()};
  }
};

std::vector<std::int64_t> ctc_lengths(const char* what, const Tensor& lengths, std::int64_t batch, std::int64_t least,
                                      std::int64_t most) {
  require<DTypeError>(lengths.dtype() == kInt64, "ctc_loss: expected int64 ", what, " but got ", lengths.dtype());
  require<ShapeError>(lengths.numel() == batch && lengths.dim() <= 1, "ctc_loss: expected ", what, " [", batch,
                      "] but got ", lengths.shape());
  auto list = lengths.to_vector<std::int64_t>();
  for (const std::int64_t length : list) {
    require<ValueError>(length >= least && length <= most, "ctc_loss: expected ", what, " in [", least, ", ", most,
                        "] but got ", length);
  }
  return list;
}

CtcTargets ctc_targets(const Tensor& x, bool batched, const Tensor& targets, const Tensor& input_lengths,
                       const Tensor& target_lengths, std::int64_t blank) {
  const std::int64_t batch = x.size(1);
  const std::int64_t classes = x.size(2);
  require<DTypeError>(targets.dtype() == kInt64, "ctc_loss: expected int64 targets but got ", targets.dtype());
  require<ValueError>(blank >= 0 && blank < classes, "ctc_loss: expected a blank in [0, ", classes, ") but got ",
                      blank);
  const bool padded = targets.dim() == 2 && batched;
  require<ShapeError>(padded ? targets.size(0) == batch : targets.dim() == 1, "ctc_loss: expected targets ",
                      batched ? detail::concat("[", batch, ", S] or [sum of target_lengths]") : "[S]", " but got ",
                      targets.shape());
  const std::int64_t longest = padded ? targets.size(1) : targets.numel();
  CtcTargets y{.classes = targets.to_vector<std::int64_t>(),
               .lengths = ctc_lengths("target_lengths", target_lengths, batch, 0, longest),
               .input_lengths = ctc_lengths("input_lengths", input_lengths, batch, 1, x.size(0)),
               .blank = blank};
  std::int64_t sum = 0;
  for (std::int64_t n = 0; n < batch; ++n) {
    y.starts.push_back(padded ? n * longest : sum);
    sum += y.lengths[static_cast<std::size_t>(n)];
    require<ShapeError>(padded || sum <= targets.numel(), "ctc_loss: expected targets [sum of target_lengths] but got ",
                        targets.shape(), " and a sum of at least ", sum);
    for (std::int64_t s = 0; s < y.lengths[static_cast<std::size_t>(n)]; ++s) {
      const std::int64_t c = y.classes[static_cast<std::size_t>(y.starts.back() + s)];
      require<IndexError>(c >= 0 && c < classes, "ctc_loss: expected targets in [0, ", classes, ") but got ", c);
      require<ValueError>(c != blank, "ctc_loss: expected targets without the blank ", blank);
    }
  }
  require<ShapeError>(padded || !batched || sum == targets.numel(),
                      "ctc_loss: expected targets [sum of target_lengths] but got ", targets.shape(), " and a sum of ",
                      sum);
  return y;
}

// The losses [N] in tensor operations over states [N, L], L = 2 S + 1: the recursion of the kernel for the whole batch.
// States that no alignment reaches have a large negative logarithm instead of -infinity, whose derivative is NaN.
Tensor ctc_formula(const Tensor& x, const CtcTargets& y) {
  constexpr double kNever = -1e30;
  const auto batch = static_cast<std::int64_t>(y.lengths.size());
  const std::int64_t longest = y.lengths.empty() ? 0 : *std::max_element(y.lengths.begin(), y.lengths.end());
  const std::int64_t states = 2 * longest + 1;
  const auto made = [&](const Shape& shape) { return full(shape, kNever, {.dtype = kFloat64}); };
  Tensor classes = full({batch, states}, y.blank, {.dtype = kInt64});
  Tensor begin = made({batch, states});
  Tensor skip = made({batch, states});
  Tensor end = made({batch, states});
  for (std::int64_t n = 0; n < batch; ++n) {
    const auto i = static_cast<std::size_t>(n);
    const std::int64_t own = 2 * y.lengths[i] + 1;
    for (std::int64_t s = 0; s < own; ++s) {
      const std::int64_t at = n * states + s;
      const auto place = static_cast<std::size_t>(y.starts[i] + s / 2);
      if (s % 2 == 1) {
        classes.mutable_data<std::int64_t>()[at] = y.classes[place];
        skip.mutable_data<double>()[at] = s >= 3 && y.classes[place] != y.classes[place - 1] ? 0.0 : kNever;
      }
      begin.mutable_data<double>()[at] = s < 2 ? 0.0 : kNever;
      end.mutable_data<double>()[at] = s >= own - 2 ? 0.0 : kNever;
    }
  }
  const auto typed = [&](const Tensor& t) { return to(t, x.dtype()); };
  const auto shifted = [&](const Tensor& t, std::int64_t by) {
    const Tensor before = expand(typed(full({}, kNever, {.dtype = kFloat64})), {batch, std::min(by, states)});
    return by >= states ? before : cat({before, narrow(t, 1, 0, states - by)}, 1);
  };
  const Tensor input_lengths = from_vector(y.input_lengths, {batch, 1});
  Tensor ways;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    const Tensor now = gather(select(x, 0, t), 1, classes);
    if (t == 0) {
      ways = add(now, typed(begin));
      continue;
    }
    const Tensor from = logsumexp(stack({ways, shifted(ways, 1), add(shifted(ways, 2), typed(skip))}, 0), 0);
    const Tensor runs = expand(gt(input_lengths, t), {batch, states});
    ways = where(runs, add(from, now), ways);
  }
  return -logsumexp(add(ways, typed(end)), 1);
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CtcLossOptions& options) {
  const char* const name = "ctc_loss";
  require<DTypeError>(is_floating_point(log_probs.dtype()), name, ": expected float32 or float64 log_probs but got ",
                      log_probs.dtype());
  const bool batched = log_probs.dim() == 3;
  require<ShapeError>((batched || log_probs.dim() == 2) && log_probs.size(-1) > 0, name,
                      ": expected log_probs [T, N, C] or [T, C] but got ", log_probs.shape());
  const Tensor x = batched ? log_probs : unsqueeze(log_probs, 1);
  const auto y = std::make_shared<const CtcTargets>(
      ctc_targets(x, batched, targets, input_lengths, target_lengths, options.blank));
  Tensor losses = Tensor::empty({x.size(1)}, x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::ctc_losses(y->problem(x), x.data<T>(), losses.mutable_data<T>());
  });
  const Tensor infinite = isinf(losses);
  losses = record(name, std::move(losses), {x}, [x = Saved(x), y, infinite](const Tensor& gy, GradSink& into) {
    if (is_grad_enabled()) {
      const Tensor own = record("apart", x.get().alias(x.get().shape()), {x.get()},
                                [](const Tensor& g, GradSink& to) { to.add(0, g); });
      const Tensor g = where(infinite, 0, gy);
      into.add(0, grad({ctc_formula(own, *y)}, {own}, {g}, {.create_graph = true})[0]);
      return;
    }
    Tensor gx = Tensor::empty(x.get().shape(), gy.dtype());
    dispatch_float("ctc_loss", gy.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::ctc_gradient(y->problem(x.get()), x.get().data<T>(), gy.data<T>(), gx.mutable_data<T>());
    });
    into.add(0, gx);
  });
  if (options.zero_infinity) {
    losses = where(infinite, 0, losses);
  }
  if (options.reduction == Reduction::mean) {
    std::vector<double> divisors;
    for (const std::int64_t length : y->lengths) {
      divisors.push_back(static_cast<double>(std::max<std::int64_t>(length, 1)));
    }
    losses = div(losses, to(from_vector(divisors, {x.size(1)}), x.dtype()));
  }
  const Tensor reduced = detail::reduced_losses(name, losses, options.reduction);
  return batched || options.reduction != Reduction::none ? reduced : squeeze(reduced, 0);
}

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const std::vector<std::int64_t>& input_lengths,
                const std::vector<std::int64_t>& target_lengths, const CtcLossOptions& options) {
  const auto listed_lengths = [](const std::vector<std::int64_t>& lengths) {
    return from_vector(lengths, {static_cast<std::int64_t>(lengths.size())});
  };
  return ctc_loss(log_probs, targets, listed_lengths(input_lengths), listed_lengths(target_lengths), options);
}

}  // namespace normgrad
