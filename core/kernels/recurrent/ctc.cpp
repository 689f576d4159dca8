#include "normgrad/core/kernels/recurrent/ctc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();

double log_of_sum(double a, double b) {
  const double larger = std::max(a, b);
  return larger == kImpossible ? larger : larger + std::log1p(std::exp(std::min(a, b) - larger));
}

// One sequence. Its states are the classes of the target with blanks before, between and after them.
template <class T>
class CtcSequence {
 public:
  CtcSequence(const CtcProblem& p, const T* log_probs, std::int64_t n)
      : p_(p),
        x_(log_probs + n * p.classes),
        target_(p.targets + p.target_starts[n]),
        steps_(p.input_lengths[n]),
        states_(2 * p.target_lengths[n] + 1) {}

  std::int64_t steps() const { return steps_; }
  std::int64_t states() const { return states_; }
  std::int64_t class_of(std::int64_t state) const { return state % 2 == 0 ? p_.blank : target_[state / 2]; }
  double log_prob(std::int64_t t, std::int64_t state) const {
    return static_cast<double>(x_[t * p_.batch * p_.classes + class_of(state)]);
  }
  // Whether the blank before a class may be left out: not between two equal classes.
  bool may_skip(std::int64_t state) const {
    return state >= 2 && state % 2 == 1 && target_[state / 2] != target_[state / 2 - 1];
  }

  // Logarithms of the probabilities of all ways to each state at step t, from those at step t - 1.
  void forward_step(std::int64_t t, const double* before, double* now) const {
    for (std::int64_t s = 0; s < states_; ++s) {
      double ways = t == 0 ? (s < 2 ? 0.0 : kImpossible) : before[s];
      if (t > 0) {
        ways = s >= 1 ? log_of_sum(ways, before[s - 1]) : ways;
        ways = may_skip(s) ? log_of_sum(ways, before[s - 2]) : ways;
      }
      now[s] = ways + log_prob(t, s);
    }
  }

  // The same of all ways from each state at step t to the end, without the probability at step t.
  void backward_step(std::int64_t t, const double* after, double* now) const {
    for (std::int64_t s = 0; s < states_; ++s) {
      if (t == steps_ - 1) {
        now[s] = s >= states_ - 2 ? 0.0 : kImpossible;
        continue;
      }
      double ways = after[s] + log_prob(t + 1, s);
      ways = s + 1 < states_ ? log_of_sum(ways, after[s + 1] + log_prob(t + 1, s + 1)) : ways;
      ways = s + 2 < states_ && may_skip(s + 2) ? log_of_sum(ways, after[s + 2] + log_prob(t + 1, s + 2)) : ways;
      now[s] = ways;
    }
  }

  double log_probability(const double* last) const {
    return states_ == 1 ? last[0] : log_of_sum(last[states_ - 1], last[states_ - 2]);
  }

 private:
  const CtcProblem& p_;
  const T* x_;
  const std::int64_t* target_;
  std::int64_t steps_;
  std::int64_t states_;
};

}  // namespace

template <class T>
void ctc_losses(const CtcProblem& p, const T* log_probs, T* losses) {
  parallel_tasks(p.batch, [&](std::int64_t n) {
    const CtcSequence<T> sequence(p, log_probs, n);
    std::vector<double> before(static_cast<std::size_t>(sequence.states()));
    std::vector<double> now(before.size());
    for (std::int64_t t = 0; t < sequence.steps(); ++t) {
      sequence.forward_step(t, before.data(), now.data());
      std::swap(before, now);
    }
    losses[n] = static_cast<T>(-sequence.log_probability(before.data()));
  });
}

template <class T>
void ctc_gradient(const CtcProblem& p, const T* log_probs, const T* g, T* gx) {
  std::fill(gx, gx + p.steps * p.batch * p.classes, T{0});
  parallel_tasks(p.batch, [&](std::int64_t n) {
    const CtcSequence<T> sequence(p, log_probs, n);
    const auto states = static_cast<std::size_t>(sequence.states());
    std::vector<double> ways_to(states * static_cast<std::size_t>(sequence.steps()));
    const auto to = [&](std::int64_t t) { return ways_to.data() + static_cast<std::size_t>(t) * states; };
    for (std::int64_t t = 0; t < sequence.steps(); ++t) {
      sequence.forward_step(t, t > 0 ? to(t - 1) : nullptr, to(t));
    }
    const double total = sequence.log_probability(to(sequence.steps() - 1));
    if (total == kImpossible) {
      return;
    }
    std::vector<double> after(states);
    std::vector<double> now(states);
    std::vector<double> shares(static_cast<std::size_t>(p.classes));
    for (std::int64_t t = sequence.steps() - 1; t >= 0; --t) {
      sequence.backward_step(t, after.data(), now.data());
      std::fill(shares.begin(), shares.end(), 0.0);
      for (std::size_t s = 0; s < states; ++s) {
        shares[static_cast<std::size_t>(sequence.class_of(static_cast<std::int64_t>(s)))] +=
            std::exp(to(t)[s] + now[s] - total);
      }
      T* row = gx + (t * p.batch + n) * p.classes;
      for (std::int64_t c = 0; c < p.classes; ++c) {
        row[c] = static_cast<T>(-static_cast<double>(g[n]) * shares[static_cast<std::size_t>(c)]);
      }
      std::swap(after, now);
    }
  });
}

template void ctc_losses(const CtcProblem&, const float*, float*);
template void ctc_losses(const CtcProblem&, const double*, double*);
template void ctc_gradient(const CtcProblem&, const float*, const float*, float*);
template void ctc_gradient(const CtcProblem&, const double*, const double*, double*);

}  // namespace normgrad::kernels
