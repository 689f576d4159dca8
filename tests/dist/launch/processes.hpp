// The processes of a run under mpirun.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace normgrad::tests {

inline std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The process of a rank that runs `program` with the argument `out`, not one that it has forked; 0 if there is none.
inline pid_t process_of_rank(const std::string& program, const std::string& out, int rank) {
  std::error_code error;
  pid_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string arguments = contents_of(entry.path() / "cmdline");
    const std::string environment = contents_of(entry.path() / "environ");
    if (arguments.starts_with(program) && arguments.find(out) != std::string::npos &&
        (environment.find("OMPI_COMM_WORLD_RANK=" + std::to_string(rank)) != std::string::npos ||
         environment.find("PMI_RANK=" + std::to_string(rank)) != std::string::npos)) {
      const pid_t process = std::stoi(entry.path().filename().string());
      found = found == 0 || process < found ? process : found;
    }
  }
  return found;
}

}  // namespace normgrad::tests
