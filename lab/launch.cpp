#include "lab/launch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "lab/files.hpp"
#include "normgrad/normgrad.hpp"

namespace lab {

namespace fs = std::filesystem;

using normgrad::Error;
using normgrad::IoError;
using normgrad::require;

namespace {

constexpr auto kLook = std::chrono::milliseconds(20);

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

std::optional<int> number(const char* name) {
  const std::string text = variable(name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional<int>(value) : std::nullopt;
}

std::string as_file_name(std::string text) {
  for (char& c : text) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
  }
  return text;
}

}  // namespace

Launch launch() {
  Launch result;
  const bool open_mpi = number("OMPI_COMM_WORLD_SIZE").has_value();
  const std::optional<int> rank = number(open_mpi ? "OMPI_COMM_WORLD_RANK" : "PMI_RANK");
  const std::optional<int> size = number(open_mpi ? "OMPI_COMM_WORLD_SIZE" : "PMI_SIZE");
  if (!rank || !size || *rank < 0 || *rank >= *size) {
    return result;
  }
  result.rank = *rank;
  result.size = *size;
  result.local_size = number(open_mpi ? "OMPI_COMM_WORLD_LOCAL_SIZE" : "MPI_LOCALNRANKS").value_or(*size);
  // MPICH's launcher always ends the other processes unless they use MPI.
  const bool mpich = !open_mpi && number("MPI_LOCALNRANKS").has_value();
  result.recovers = open_mpi ? variable("OMPI_MCA_orte_enable_recovery") == "1" : !mpich;
  result.recovery = open_mpi ? "mpirun --enable-recovery" : "";
  for (const char* name : {"PMIX_NAMESPACE", "PMI_JOBID", "SLURM_STEP_ID", "SLURM_JOB_ID"}) {
    result.id += variable(name).empty() ? "" : "-" + as_file_name(variable(name));
  }
  if (result.id.empty()) {
    result.id = "-of-" + std::to_string(getppid());  // the launcher's process on this machine
  }
  return result;
}

std::optional<FileClaim> FileClaim::try_lock(const fs::path& path) {
  FileClaim claim(open(path.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0666));
  require<IoError>(claim.file_ >= 0, "'", path.string(), "' cannot be written: ", std::strerror(errno));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  while (fcntl(claim.file_, F_SETLK, &lock) != 0) {
    if (errno == EACCES || errno == EAGAIN) {
      return std::nullopt;
    }
    require<IoError>(errno == EINTR, "'", path.string(), "' cannot be locked: ", std::strerror(errno));
  }
  return claim;
}

FileClaim::FileClaim(FileClaim&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FileClaim::~FileClaim() {
  if (file_ >= 0) {
    close(file_);
  }
}

Meeting::Meeting(Launch launch, const fs::path& folder)
    : launch_(std::move(launch)), folder_(folder / (".launch" + launch_.id)) {
  make_folder("--out", folder_);
}

std::string Meeting::agree(const std::string& text,
                           const std::function<std::string(const std::vector<std::string>&)>& judge,
                           std::chrono::seconds patience) const {
  const auto until = std::chrono::steady_clock::now() + patience;
  const auto text_of = [&](int rank, const char* what) {
    for (;;) {
      const std::optional<std::string> found = read_whole(folder_ / (what + std::to_string(rank)));
      if (found) {
        return *found;
      }
      require<Error>(std::chrono::steady_clock::now() < until, "rank ", launch_.rank, " has waited ", patience.count(),
                     " s for rank ", rank, "; is it running, and does it see the folder '", folder_.string(), "'?");
      std::this_thread::sleep_for(kLook);
    }
  };
  write_whole(folder_ / ("rank" + std::to_string(launch_.rank)), text);
  if (launch_.rank != 0) {
    return text_of(0, "answer");
  }
  std::vector<std::string> texts;
  for (int rank = 0; rank < launch_.size; ++rank) {
    texts.push_back(text_of(rank, "rank"));
  }
  std::string error;
  for (std::size_t rank = 0; rank < texts.size() && error.empty(); ++rank) {
    if (texts[rank].starts_with("error: ")) {
      error = (rank == 0 ? "" : "rank " + std::to_string(rank) + ": ") + texts[rank].substr(std::strlen("error: "));
    }
  }
  error = error.empty() ? judge(texts) : error;
  std::error_code none;
  fs::remove(folder_ / "done", none);  // of an earlier launch with the same id
  write_whole(folder_ / "answer0", error);
  return error;
}

void Meeting::once(const std::function<void()>& part) const {
  const fs::path done = folder_ / "done";
  // Rank 0 holds the lock from the start of its turn to the end; the others come later.
  for (auto turn = std::chrono::steady_clock::now() + std::chrono::seconds(launch_.rank == 0 ? 0 : 1);;) {
    std::error_code none;
    if (fs::exists(done, none)) {
      return;
    }
    if (std::chrono::steady_clock::now() >= turn) {
      const std::optional<FileClaim> claim = FileClaim::try_lock(folder_ / "writer");
      if (claim && !fs::exists(done, none)) {
        part();
        write_whole(done, "");
        return;
      }
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace lab
