// Watching operations and modules while they run: for the anomaly mode and for summaries. Without a watcher it costs
// one load per operation and per call of a module.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::detail {

/// A module whose forward runs: its type, its name as seen from the outermost module that runs ("" for that one
/// itself), and its address, which is never dereferenced.
struct ModulePlace {
  std::string type;
  std::string path;
  const void* module = nullptr;
};

/// Told what happens on the thread that made it, from its making to its end. Watchers end in the reverse order.
class Watcher {
 public:
  Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// An operation has computed `y`; inputs that it was not given are undefined. May throw: then the operation is not
  /// recorded.
  virtual void computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) = 0;

  /// The innermost module returns `y` from its forward; not told of modules that return something else.
  virtual void returned(const Tensor& /*y*/) {}

 protected:
  virtual ~Watcher();
};

/// Watchers of all threads.
extern std::atomic<int> watchers;
inline bool is_watched() noexcept { return watchers.load(std::memory_order_relaxed) != 0; }

/// Tell this thread's watchers.
void tell_computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs);
void tell_returned(const Tensor& y);

/// The modules that run on this thread, outermost first; kept up only while there are watchers.
std::vector<ModulePlace>& module_places() noexcept;
/// "BatchNorm1d 'head.norm'" for the innermost of them, "" outside of modules.
std::string current_place();

}  // namespace normgrad::detail
