// Observers of operations and modules, for anomaly mode and summaries. Without an observer the cost is one load per
// operation and per module call.
#pragma once

#include <atomic>
#include <concepts>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/scalar.hpp"

namespace normgrad::detail {

/// A module whose forward is running: its type, its path relative to the outermost running module ("" for that one
/// itself), and its address, which is never dereferenced.
struct ModulePlace {
  std::string type;
  std::string path;
  const void* module = nullptr;
};

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

/// Receives the events of the thread that constructed it, until it is destroyed. Watchers are destroyed in reverse
/// order.
class Watcher {
 public:
  Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Called when an operation has computed `y`; omitted inputs are undefined. If it throws, the operation is not
  /// recorded.
  virtual void computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) = 0;

  /// Called when the innermost module returns `y` from its forward. Not called for modules that return other types.
  virtual void returned(const Tensor& /*y*/) {}

  /// Called before computed() and announced() with the operation's arguments, if it has some.
  virtual void arguments(const OpArguments& /*arguments*/) {}

  /// Called when an operation has computed `y` that has no gradient, or that consists of others, told before.
  virtual void announced(const char* /*name*/, const Tensor& /*y*/, const std::vector<Tensor>& /*inputs*/) {}

 protected:
  virtual ~Watcher();
};

/// Number of watchers on all threads.
extern std::atomic<int> watchers;
inline bool is_watched() noexcept { return watchers.load(std::memory_order_relaxed) != 0; }

/// Notify this thread's watchers.
void tell_computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs);
void tell_returned(const Tensor& y);
void tell_arguments(const OpArguments& arguments);
void tell_announced(const char* name, const Tensor& y, const std::vector<Tensor>& inputs);

inline void add_arguments(OpArguments& /*to*/) {}
template <class T, class... Rest>
void add_arguments(OpArguments& to, const char* name, const T& value, const Rest&... rest) {
  to.add(name, value);
  add_arguments(to, rest...);
}

/// Calls Watcher::announced() of this thread's watchers.
inline void announce(const char* name, const Tensor& y, const std::initializer_list<Tensor>& inputs) {
  if (is_watched()) [[unlikely]] {
    tell_announced(name, y, inputs);
  }
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

/// The modules running on this thread, outermost first. Maintained only while there are watchers.
std::vector<ModulePlace>& module_places() noexcept;
/// Returns "BatchNorm1d 'head.norm'" for the innermost module, or "" outside of modules.
std::string current_place();

}  // namespace normgrad::detail
