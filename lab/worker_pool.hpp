// Work distributed over processes. Each task has its own process, so tasks share no state, a task's result does not
// depend on concurrent tasks, and a killed task affects no other.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace lab {

/// The connection from a task to the parent process.
class Channel {
 public:
  explicit Channel(int file) : file_(file) {}
  /// Sends a message of any bytes. Exits the process if the parent no longer reads.
  void send(const std::string& message);

 private:
  int file_;
};

/// What becomes of a task when its turn comes.
enum class Turn {
  start,      ///< it starts
  elsewhere,  ///< another program works on it; asked again later
  done        ///< it needs no work
};

/// Callbacks in the parent process.
struct PoolEvents {
  /// Called before a task starts, possibly several times. Without it, every task starts when its turn comes.
  std::function<Turn(std::size_t task)> on_turn = {};
  std::function<void(std::size_t task)> on_start = {};
  std::function<void(std::size_t task, const std::string& message)> on_message = {};
  std::function<void(std::size_t task)> on_end = {};
  /// Called about ten times a second.
  std::function<void()> on_tick = {};
};

/// Calls work(task, channel) for every task in [0, tasks), each in a forked process, at most `jobs` at once, started in
/// order, unless on_turn() postpones or drops them. The caller must not have used more than one thread before. Once
/// interrupted() is nonzero, starts no more tasks, sends SIGTERM to the running ones (whose interrupted() returns it),
/// waits for them, and returns false. If a task throws or crashes, ends all others and throws normgrad::Error with
/// `name(task)`. No process outlives the program.
bool run_in_processes(std::size_t tasks, int jobs, const std::function<void(std::size_t, Channel&)>& work,
                      const std::function<std::string(std::size_t)>& name, const PoolEvents& events = {});

/// The number of processors available to this process.
int num_processors();

}  // namespace lab
