// Work spread over processes: each task in a process of its own, so that tasks share no state, a task's result cannot
// depend on what ran beside it, and one that is killed takes nothing with it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace lab {

/// The way from a task to the program that started it.
class Channel {
 public:
  explicit Channel(int file) : file_(file) {}
  /// Hands over a message of any bytes; ends the process when nobody listens any more.
  void send(const std::string& message);

 private:
  int file_;
};

/// Told in the program that started the tasks.
struct PoolEvents {
  std::function<void(std::size_t task)> on_start = {};
  std::function<void(std::size_t task, const std::string& message)> on_message = {};
  std::function<void(std::size_t task)> on_end = {};
  /// About ten times a second.
  std::function<void()> on_tick = {};
};

/// Calls work(task, channel) for every task in [0, tasks), each in a forked process, at most `jobs` at once, started in
/// order. The caller must not have used more than one thread before. Once interrupted() says so no more tasks are
/// started, those that run are told by SIGTERM, which their interrupted() then gives, and are waited for; false then.
/// An exception of a task, or its death, ends all others and is thrown as normgrad::Error with `name(task)`. No process
/// outlives the program.
bool run_in_processes(std::size_t tasks, int jobs, const std::function<void(std::size_t, Channel&)>& work,
                      const std::function<std::string(std::size_t)>& name, const PoolEvents& events = {});

/// Processors that this process may use.
int num_processors();

}  // namespace lab
