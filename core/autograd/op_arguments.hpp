// The arguments of operations, for the watchers of a thread.
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/watch.hpp"
#include "normgrad/core/base/scalar.hpp"

namespace normgrad::detail {

/// An operation's arguments besides its inputs: numbers, and tensors that get no gradient.
struct OpArguments {
  std::vector<std::pair<const char*, std::vector<double>>> numbers;
  std::vector<std::pair<const char*, Tensor>> tensors;

  void add(const char* name, const Tensor& tensor) { tensors.emplace_back(name, tensor); }
  void add(const char* name, const Scalar& number) { numbers.emplace_back(name, std::vector<double>{number.real()}); }
  template <class Range>
  requires(!std::constructible_from<Scalar, const Range&>) void add(const char* name, const Range& range) {
    std::vector<double>& to = numbers.emplace_back(name, std::vector<double>()).second;
    for (const auto& number : range) {
      to.push_back(static_cast<double>(number));
    }
  }
};

inline void add_arguments(OpArguments& /*to*/) {}
template <class T, class... Rest>
void add_arguments(OpArguments& to, const char* name, const T& value, const Rest&... rest) {
  to.add(name, value);
  add_arguments(to, rest...);
}

/// Tells this thread's watchers the arguments of the operation that calls record() or announce() next: names, each with
/// a number, a range of numbers or a tensor.
template <class... Named>
void note_arguments(const Named&... named) {
  if (is_watched()) [[unlikely]] {
    OpArguments all;
    add_arguments(all, named...);
    tell_arguments(all);
  }
}

}  // namespace normgrad::detail
