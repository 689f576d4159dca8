#include "lab/worker_pool.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <thread>

#include "lab/interrupt.hpp"
#include "normgrad/normgrad.hpp"

namespace lab {

using normgrad::Error;

namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr char kMessage = 'm';
constexpr char kFailure = 'f';

bool write_all(int file, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t done = write(file, data, size);
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return false;
    }
    data += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

/// A frame consists of its kind, its length and its bytes.
void send_frame(int file, char kind, const std::string& text) {
  std::string frame(1 + sizeof(std::uint64_t), kind);
  const std::uint64_t size = text.size();
  std::memcpy(frame.data() + 1, &size, sizeof size);
  frame += text;
  if (!write_all(file, frame.data(), frame.size())) {
    _exit(1);
  }
}

struct Worker {
  std::size_t task = 0;
  pid_t process = -1;
  int file = -1;
  std::string received = {};
};

[[noreturn]] void work_in_child(std::size_t task, int file, pid_t parent,
                                const std::function<void(std::size_t, Channel&)>& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(1);
  }
  std::signal(SIGPIPE, SIG_IGN);
  int code = 0;
  try {
    Channel channel(file);
    work(task, channel);
  } catch (const std::exception& error) {
    send_frame(file, kFailure, error.what());
    code = 1;
  }
  _exit(code);
}

class Pool {
 public:
  Pool(const std::function<void(std::size_t, Channel&)>& work, const std::function<std::string(std::size_t)>& name,
       const PoolEvents& events)
      : work_(work), name_(name), events_(events) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (const Worker& worker : workers_) {
      kill(worker.process, SIGKILL);
      waitpid(worker.process, nullptr, 0);
      close(worker.file);
    }
  }

  std::size_t running() const { return workers_.size(); }

  void start(std::size_t task) {
    std::array<int, 2> ends{};
    normgrad::require<Error>(pipe(ends.data()) == 0, "cannot create a pipe: ", std::strerror(errno));
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      for (const Worker& other : workers_) {
        close(other.file);
      }
      work_in_child(task, ends[1], parent, work_);
    }
    close(ends[1]);
    if (child < 0) {
      close(ends[0]);
      normgrad::fail<Error>("cannot start a process: ", std::strerror(errno));
    }
    workers_.push_back({.task = task, .process = child, .file = ends[0]});
    if (events_.on_start) {
      events_.on_start(task);
    }
  }

  void tell_to_stop() {
    for (const Worker& worker : workers_) {
      kill(worker.process, SIGTERM);
    }
  }

  /// Waits for messages or the next tick, and dispatches the messages.
  void wait() {
    std::vector<pollfd> files;
    for (const Worker& worker : workers_) {
      files.push_back({.fd = worker.file, .events = POLLIN, .revents = 0});
    }
    poll(files.data(), files.size(), static_cast<int>(kTick.count()));
    for (std::size_t i = files.size(); i-- > 0;) {
      if (files[i].revents != 0 && !receive(workers_[i])) {
        finish(i);
      }
    }
    if (events_.on_tick) {
      events_.on_tick();
    }
  }

 private:
  /// Returns false at the end of the stream.
  bool receive(Worker& worker) {
    std::array<char, 65536> buffer{};
    const ssize_t got = read(worker.file, buffer.data(), buffer.size());
    if (got <= 0) {
      return got < 0 && errno == EINTR;
    }
    worker.received.append(buffer.data(), static_cast<std::size_t>(got));
    constexpr std::size_t kHead = 1 + sizeof(std::uint64_t);
    std::size_t place = 0;
    while (worker.received.size() - place >= kHead) {
      std::uint64_t size = 0;
      std::memcpy(&size, worker.received.data() + place + 1, sizeof size);
      if (worker.received.size() - place - kHead < size) {
        break;
      }
      const char kind = worker.received[place];
      const std::string text = worker.received.substr(place + kHead, size);
      place += kHead + size;
      normgrad::require<Error>(kind == kMessage, name_(worker.task), ": ", text);
      if (events_.on_message) {
        events_.on_message(worker.task, text);
      }
    }
    worker.received.erase(0, place);
    return true;
  }

  void finish(std::size_t i) {
    const Worker worker = workers_[i];
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
    close(worker.file);
    int status = 0;
    while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {
    }
    normgrad::require<Error>(!WIFSIGNALED(status), name_(worker.task), ": its process was ended by signal ",
                             WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    normgrad::require<Error>(WEXITSTATUS(status) == 0, name_(worker.task), ": its process ended with code ",
                             WEXITSTATUS(status));
    if (events_.on_end) {
      events_.on_end(worker.task);
    }
  }

  const std::function<void(std::size_t, Channel&)>& work_;
  const std::function<std::string(std::size_t)>& name_;
  const PoolEvents& events_;
  std::vector<Worker> workers_;
};

/// Starts the first task whose turn has come and removes it and the tasks before it that are done. Returns false if
/// there is none.
bool start_next(Pool& pool, std::vector<std::size_t>& pending, const PoolEvents& events) {
  for (auto task = pending.begin(); task != pending.end();) {
    const Turn turn = events.on_turn ? events.on_turn(*task) : Turn::start;
    if (turn == Turn::start) {
      pool.start(*task);
      pending.erase(task);
      return true;
    }
    task = turn == Turn::done ? pending.erase(task) : std::next(task);
  }
  return false;
}

}  // namespace

void Channel::send(const std::string& message) { send_frame(file_, kMessage, message); }

bool run_in_processes(std::size_t tasks, int jobs, const std::function<void(std::size_t, Channel&)>& work,
                      const std::function<std::string(std::size_t)>& name, const PoolEvents& events) {
  normgrad::require<normgrad::ValueError>(jobs > 0, "run_in_processes: expected jobs > 0 but got ", jobs);
  Pool pool(work, name, events);
  std::vector<std::size_t> pending(tasks);
  std::iota(pending.begin(), pending.end(), std::size_t{0});
  bool stopped = false;
  auto next_look = std::chrono::steady_clock::now();
  while (pool.running() > 0 || (!pending.empty() && !stopped)) {
    if (!stopped && interrupted() != 0) {
      stopped = true;
      pool.tell_to_stop();
    }
    while (!stopped && !pending.empty() && pool.running() < static_cast<std::size_t>(jobs) &&
           std::chrono::steady_clock::now() >= next_look) {
      if (!start_next(pool, pending, events)) {
        next_look = std::chrono::steady_clock::now() + kTick;
      }
    }
    if (pool.running() > 0) {
      pool.wait();
    } else if (!pending.empty() && !stopped) {
      std::this_thread::sleep_for(kTick);
      if (events.on_tick) {
        events.on_tick();
      }
    }
  }
  return !stopped;
}

int num_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    return 1;
  }
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace lab
