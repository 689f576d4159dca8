// Observers of operations and modules, for anomaly mode and summaries. Without an observer the cost is one load per
// operation and per module call.
#pragma once

#include <atomic>
#include <initializer_list>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// A module whose forward is running: its type, its path relative to the outermost running module ("" for that one
/// itself), and its address, which is never dereferenced.
struct ModulePlace {
  std::string type;
  std::string path;
  const void* module = nullptr;
};

struct OpArguments;

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

/// Calls Watcher::announced() of this thread's watchers.
inline void announce(const char* name, const Tensor& y, const std::initializer_list<Tensor>& inputs) {
  if (is_watched()) [[unlikely]] {
    tell_announced(name, y, inputs);
  }
}

/// The modules running on this thread, outermost first. Maintained only while there are watchers.
std::vector<ModulePlace>& module_places() noexcept;
/// Returns "BatchNorm1d 'head.norm'" for the innermost module, or "" outside of modules.
std::string current_place();

}  // namespace normgrad::detail
