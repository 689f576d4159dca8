#include "tests/support/run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace normgrad::tests {

namespace {

struct Channel {
  int read = -1;
  int write = -1;
};

Channel open_channel(bool terminal) {
  std::array<int, 2> ends{};
  const int failed = terminal ? openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr) : pipe(ends.data());
  if (failed != 0) {
    throw std::runtime_error("cannot make a pipe");
  }
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  return {.read = ends[0], .write = ends[1]};
}

[[noreturn]] void become(const std::vector<std::string>& command, const RunOptions& options, int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (const auto& [name, value] : options.environment) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

/// Appends available output; returns false at the end, which a terminal reports as EIO.
bool read_some(int from, std::string& to) {
  std::array<char, 4096> buffer{};
  const ssize_t got = read(from, buffer.data(), buffer.size());
  if (got > 0) {
    to.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return got > 0 || (got < 0 && errno == EINTR);
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& command, const RunOptions& options) {
  const Channel out = open_channel(false);
  const Channel err = open_channel(options.terminal);
  const pid_t child = fork();
  if (child < 0) {
    throw std::runtime_error("cannot fork");
  }
  if (child == 0) {
    become(command, options, out.write, err.write);
  }
  close(out.write);
  close(err.write);
  ProgramResult result;
  bool sent = options.signal == 0;
  std::array<pollfd, 2> wait = {{{out.read, POLLIN, 0}, {err.read, POLLIN, 0}}};
  while (wait[0].fd >= 0 || wait[1].fd >= 0) {
    poll(wait.data(), wait.size(), -1);
    for (std::size_t i = 0; i < wait.size(); ++i) {
      if (wait[i].fd >= 0 && wait[i].revents != 0 && !read_some(wait[i].fd, i == 0 ? result.out : result.err)) {
        wait[i].fd = -1;
      }
    }
    if (!sent && options.signal_when(result.err)) {
      kill(child, options.signal);
      sent = true;
    }
  }
  close(out.read);
  close(err.read);
  int status = 0;
  waitpid(child, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace normgrad::tests
