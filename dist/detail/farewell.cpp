#include "normgrad/dist/detail/farewell.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <thread>

#include "normgrad/core/base/log.hpp"
#include "normgrad/dist/detail/call.hpp"
#include "normgrad/dist/detail/comm.hpp"

namespace normgrad::detail {

namespace {

using FarewellClock = std::chrono::steady_clock;

constexpr auto kFarewellGrace = std::chrono::seconds(1);
constexpr auto kFarewellPause = std::chrono::microseconds(200);

struct Other {
  MPI_Request farewell = MPI_REQUEST_NULL;
  FarewellClock::time_point left = {};
  bool has_left = false;
};

struct Farewells {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
  std::vector<Other> others;  // by rank
};

// Never destroyed: MPI may end after the static objects.
Farewells& farewells() {
  static auto* all = new Farewells;  // NOLINT
  return *all;
}

bool has_left(Other& other) {
  if (!other.has_left && other.farewell != MPI_REQUEST_NULL) {
    int arrived = 0;
    check_mpi(MPI_Test(&other.farewell, &arrived, MPI_STATUS_IGNORE), "ProcessGroup");
    if (arrived != 0) {
      other.has_left = true;
      other.left = FarewellClock::now();
    }
  }
  return other.has_left;
}

void say_farewell() {
  Farewells& all = farewells();
  std::vector<MPI_Request> sent;
  for (std::size_t rank = 0; rank < all.others.size(); ++rank) {
    if (static_cast<int>(rank) != all.rank) {
      check_mpi(
          MPI_Isend(nullptr, 0, MPI_BYTE, static_cast<int>(rank), 0, all.comm, &sent.emplace_back(MPI_REQUEST_NULL)),
          "ProcessGroup");
    }
  }
  const auto is_there = [&](std::size_t rank) {
    return static_cast<int>(rank) == all.rank || has_left(all.others[rank]);
  };
  for (std::size_t rank = 0; rank < all.others.size();) {
    if (is_there(rank)) {
      ++rank;
    } else {
      std::this_thread::sleep_for(kFarewellPause);
    }
  }
  check_mpi(MPI_Waitall(static_cast<int>(sent.size()), sent.data(), MPI_STATUSES_IGNORE), "ProcessGroup");
  check_mpi(MPI_Comm_free(&all.comm), "ProcessGroup");
}

// MPI_Finalize() first deletes the attributes of MPI_COMM_SELF, while MPI still works.
int at_finalize(MPI_Comm /*self*/, int /*key*/, void* /*value*/, void* /*state*/) {
  try {
    if (finish_calls()) {
      say_farewell();
      return MPI_SUCCESS;
    }
  } catch (const std::exception& error) {
    log(LogLevel::error, error.what());
  }
  std::_Exit(1);
}

}  // namespace

void arrange_farewell() {
  Farewells& all = farewells();
  int size = 0;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &all.comm), "ProcessGroup");
  check_mpi(MPI_Comm_set_errhandler(all.comm, MPI_ERRORS_RETURN), "ProcessGroup");
  check_mpi(MPI_Comm_rank(all.comm, &all.rank), "ProcessGroup");
  check_mpi(MPI_Comm_size(all.comm, &size), "ProcessGroup");
  all.others.resize(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    if (rank != all.rank) {
      check_mpi(
          MPI_Irecv(nullptr, 0, MPI_BYTE, rank, 0, all.comm, &all.others[static_cast<std::size_t>(rank)].farewell),
          "ProcessGroup");
    }
  }
  int key = MPI_KEYVAL_INVALID;
  check_mpi(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, at_finalize, &key, nullptr), "ProcessGroup");
  check_mpi(MPI_Comm_set_attr(MPI_COMM_SELF, key, nullptr), "ProcessGroup");
}

std::vector<int> ranks_that_left(const std::vector<int>& ranks) {
  std::vector<int> left;
  for (const int rank : ranks) {
    Other& other = farewells().others[static_cast<std::size_t>(rank)];
    if (has_left(other) && FarewellClock::now() - other.left > kFarewellGrace) {
      left.push_back(rank);
    }
  }
  return left;
}

}  // namespace normgrad::detail
