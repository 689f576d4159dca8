#include "normgrad/dist/detail/comm.hpp"

#include <cstdlib>
#include <numeric>
#include <utility>

#include "normgrad/core/base/error.hpp"
#include "normgrad/dist/detail/farewell.hpp"
#include "normgrad/dist/detail/shared_memory.hpp"
#include "normgrad/dist/process_group.hpp"

namespace normgrad::detail {

namespace {

constexpr double kDefaultTimeout = 300.0;

// Ends MPI with the program. A rank that fails leaves without MPI_Finalize(), upon which mpirun ends the others, which
// would wait for it. (Several calls of MPI_Abort() at a time crash the mpirun of Open MPI 4.1.)
void end_mpi(int exit_code, void* /*unused*/) {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0 && exit_code == 0) {
    MPI_Finalize();
  }
}

double seconds_from(const char* variable, double otherwise) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') {
    return otherwise;
  }
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  require<ValueError>(*end == '\0' && seconds > 0.0, variable, ": expected a positive number of seconds but got '",
                      text, "'");
  return seconds;
}

bool flag_from(const char* variable, bool otherwise) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') {
    return otherwise;
  }
  const std::string value = text;
  require<ValueError>(value == "0" || value == "1", variable, ": expected 0 or 1 but got '", value, "'");
  return value == "1";
}

#ifdef NDEBUG
constexpr bool kCheckByDefault = false;
#else
constexpr bool kCheckByDefault = true;
#endif

}  // namespace

void check_mpi(int code, const std::string& what) {
  if (code == MPI_SUCCESS) {
    return;
  }
  std::string text(MPI_MAX_ERROR_STRING, '\0');
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  text.resize(static_cast<std::size_t>(length));
  fail<DistError>(what, ": MPI reports '", text,
                  "'; if the ranks may have made different calls, NORMGRAD_DIST_CHECK=1 names them");
}

Comm::Comm(MPI_Comm comm, std::string name)
    : timeout(seconds_from("NORMGRAD_DIST_TIMEOUT", kDefaultTimeout)),
      checks(flag_from("NORMGRAD_DIST_CHECK", kCheckByDefault)),
      comm_(comm),
      name_(std::move(name)) {
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  check_mpi(MPI_Comm_rank(comm_, &rank_), "ProcessGroup");
  check_mpi(MPI_Comm_size(comm_, &size_), "ProcessGroup");
  int* largest_tag = nullptr;
  int has_largest_tag = 0;
  MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, static_cast<void*>(&largest_tag), &has_largest_tag);
  if (has_largest_tag != 0) {
    tags_ = static_cast<std::uint64_t>(*largest_tag) + 1;
  }
  std::vector<int> own(static_cast<std::size_t>(size_));
  std::iota(own.begin(), own.end(), 0);
  world_ranks_.resize(own.size());
  MPI_Group group = MPI_GROUP_NULL;
  MPI_Group all = MPI_GROUP_NULL;
  MPI_Comm_group(comm_, &group);
  MPI_Comm_group(MPI_COMM_WORLD, &all);
  MPI_Group_translate_ranks(group, size_, own.data(), all, world_ranks_.data());
  MPI_Group_free(&group);
  MPI_Group_free(&all);
  processes_ = processes_sharing_memory(comm_, flag_from("NORMGRAD_DIST_SHARED_MEMORY", true) && size_ > 1);
}

std::shared_ptr<Comm> Comm::world() {
  // Never destroyed: calls may be in progress until the end of the program.
  static const auto* world = [] {
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized == 0) {
      int provided = 0;
      check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "ProcessGroup::world");
      ::on_exit(end_mpi, nullptr);
    }
    MPI_Comm comm = MPI_COMM_NULL;
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "ProcessGroup::world");
    arrange_farewell();
    return new std::shared_ptr<Comm>(std::make_shared<Comm>(comm, "world"));
  }();
  return *world;
}

std::string Comm::names_of(const std::vector<int>& ranks) const {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(world_rank(ranks[i]));
  }
  return text;
}

}  // namespace normgrad::detail
