#include "lab/files.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <thread>

#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/io/detail/output_file.hpp"
#include "normgrad/normgrad.hpp"

namespace lab {

using normgrad::IoError;
using normgrad::require;

namespace fs = std::filesystem;

void write_whole(const fs::path& path, const std::string& text) {
  normgrad::detail::with_io_errors("'" + path.string() + "': ", [&] {
    normgrad::detail::OutputFile file("", path);
    file.write(text);
    file.commit();
  });
}

std::optional<std::string> read_whole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return std::nullopt;
  }
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

int run_program(const std::string& name, const std::function<int()>& program) {
  try {
    return program();
  } catch (const normgrad::Error& error) {
    std::cerr << name << ": " << error.what() << std::endl;
    return 2;
  } catch (const std::system_error& error) {  // usually of files
    std::cerr << name << ": " << error.what() << std::endl;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << std::endl;
    return 1;
  }
}

void make_folder(const std::string& flag, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  require<IoError>(!error, flag, ": the folder '", folder.string(), "' cannot be created: ", error.message());
}

std::string fingerprint(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  std::ostringstream out;
  out << std::hex;
  out.width(16);
  out.fill('0');
  out << hash;
  return out.str();
}

const std::string& build_fingerprint() {
  static const std::string result = [] {
    std::string parts = fingerprint(read_whole("/proc/self/exe").value_or(""));
    Dl_info library{};
    if (dladdr(reinterpret_cast<const void*>(&normgrad::manual_seed), &library) != 0 && library.dli_fname != nullptr) {
      parts += fingerprint(read_whole(library.dli_fname).value_or(""));
    }
    return fingerprint(parts);
  }();
  return result;
}

FolderLock::FolderLock(const fs::path& folder, double patience) {
  const fs::path path = folder / ".lock";
  file_ = open(path.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  require<IoError>(file_ >= 0, "'", path.string(), "' cannot be written: ", std::strerror(errno));
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    if (reason == EINTR) {
      continue;
    }
    const bool taken = reason == EWOULDBLOCK;
    if (!taken || std::chrono::steady_clock::now() > until) {
      close(file_);
      require<IoError>(taken, "'", path.string(), "' cannot be locked: ", std::strerror(reason));
      normgrad::fail<IoError>("another program writes to '", folder.string(), "'");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

FolderLock::~FolderLock() { close(file_); }

}  // namespace lab
