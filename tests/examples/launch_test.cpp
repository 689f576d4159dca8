#include "lab/launch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/error.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using lab::FileClaim;
using lab::Launch;
using lab::Meeting;

class LaunchTest : public testing::Test {
 protected:
  void TearDown() override { set({}); }

  /// Of the variables that matter, these only.
  static void set(const std::map<std::string, std::string>& variables) {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "PMI_RANK",
                             "PMI_SIZE", "MPI_LOCALNRANKS", "OMPI_MCA_orte_enable_recovery", "PMIX_NAMESPACE",
                             "PMI_JOBID", "SLURM_STEP_ID", "SLURM_JOB_ID"}) {
      unsetenv(name);
    }
    for (const auto& [name, value] : variables) {
      setenv(name.c_str(), value.c_str(), 1);
    }
  }

  /// A process that calls `part`, and ends with its result.
  template <class F>
  static pid_t process(F&& part) {
    const pid_t child = fork();
    if (child == 0) {
      _exit(part());
    }
    return child;
  }

  static int exit_code(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  tests::TemporaryFolder folder_;
};

TEST_F(LaunchTest, ReadsTheVariablesOfLaunchers) {
  set({});
  EXPECT_EQ(lab::launch().size, 1);
  set({{"OMPI_COMM_WORLD_RANK", "2"},
       {"OMPI_COMM_WORLD_SIZE", "4"},
       {"OMPI_COMM_WORLD_LOCAL_SIZE", "3"},
       {"PMIX_NAMESPACE", "12/a"}});
  const Launch open_mpi = lab::launch();
  EXPECT_EQ(open_mpi.rank, 2);
  EXPECT_EQ(open_mpi.size, 4);
  EXPECT_EQ(open_mpi.local_size, 3);
  EXPECT_EQ(open_mpi.id, "-12-a");
  EXPECT_FALSE(open_mpi.recovers);
  setenv("OMPI_MCA_orte_enable_recovery", "1", 1);
  EXPECT_TRUE(lab::launch().recovers);
  set({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}, {"SLURM_STEP_ID", "0"}, {"SLURM_JOB_ID", "77"}});
  EXPECT_EQ(lab::launch().size, 2);
  EXPECT_EQ(lab::launch().id, "-0-77");
  EXPECT_TRUE(lab::launch().recovers);
  set({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}, {"MPI_LOCALNRANKS", "1"}});  // MPICH
  EXPECT_EQ(lab::launch().local_size, 1);
  EXPECT_FALSE(lab::launch().recovers);
  for (const char* rank : {"2", "-1", "one", ""}) {
    set({{"PMI_RANK", rank}, {"PMI_SIZE", "2"}});
    EXPECT_EQ(lab::launch().size, 1) << rank;
  }
}

TEST_F(LaunchTest, AClaimEndsWithItsProcess) {
  const std::filesystem::path file = folder_ / "run.claim";
  const std::filesystem::path held = folder_ / "held";
  const pid_t child = process([&] {
    const auto claim = FileClaim::try_lock(file);
    std::filesystem::create_directory(held);
    pause();
    return claim ? 0 : 1;
  });
  while (!std::filesystem::exists(held)) {
    usleep(1000);
  }
  EXPECT_FALSE(FileClaim::try_lock(file));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto claim = FileClaim::try_lock(file);
  EXPECT_TRUE(claim);
  EXPECT_EQ(exit_code(process([&] { return FileClaim::try_lock(file) ? 1 : 0; })), 0) << "a fork does not hold it";
  EXPECT_NE(tests::error_of<IoError>([&] { FileClaim::try_lock(folder_ / "none" / "x"); }).find("cannot be written"),
            std::string::npos);
}

TEST_F(LaunchTest, AllRanksLearnOfAnError) {
  const auto judge = [](const std::vector<std::string>& texts) {
    return texts == std::vector<std::string>{"a", "a"} ? std::string() : "expected the same but got " + texts[1];
  };
  const auto meet = [&](const std::string& id, const std::string& first, const std::string& second) {
    const pid_t other = process([&] {
      const Meeting meeting({.rank = 1, .size = 2, .local_size = 2, .id = id}, folder_.path());
      return meeting.agree(second, judge).empty() ? 0 : 2;
    });
    const Meeting meeting({.rank = 0, .size = 2, .local_size = 2, .id = id}, folder_.path());
    std::string error = meeting.agree(first, judge);
    EXPECT_EQ(exit_code(other), error.empty() ? 0 : 2);
    return error;
  };
  EXPECT_EQ(meet("-1", "a", "a"), "");
  EXPECT_EQ(meet("-2", "a", "b"), "expected the same but got b");
  EXPECT_EQ(meet("-3", "a", "error: no data"), "rank 1: no data");
  EXPECT_EQ(meet("-4", "error: no data", "a"), "no data");
  const Meeting alone({.rank = 0, .size = 2, .local_size = 2, .id = "-5"}, folder_.path());
  EXPECT_TRUE(tests::error_of<Error>([&] {
                alone.agree("a", judge, std::chrono::seconds(0));
              }).starts_with("rank 0 has waited 0 s for rank 1; is it running, and does it see the folder '"));
}

// Rank 0 ends in the middle of its turn.
TEST_F(LaunchTest, APartIsDoneOnceAlsoIfRankZeroEnds) {
  const std::filesystem::path file = folder_ / "parts";
  const auto rank = [&](int number, const std::string& id, bool ends) {
    return process([&, number, id, ends] {
      const Meeting meeting({.rank = number, .size = 2, .local_size = 2, .id = id}, folder_.path());
      meeting.once([&] {
        if (ends) {
          _exit(3);
        }
        std::filesystem::create_directory(file.string() + id + std::to_string(number));
      });
      return 0;
    });
  };
  EXPECT_EQ(exit_code(rank(0, "-1", false)), 0);
  EXPECT_EQ(exit_code(rank(1, "-1", false)), 0);
  EXPECT_TRUE(std::filesystem::exists(file.string() + "-10"));
  EXPECT_FALSE(std::filesystem::exists(file.string() + "-11"));
  EXPECT_EQ(exit_code(rank(0, "-2", true)), 3);
  EXPECT_EQ(exit_code(rank(1, "-2", false)), 0);
  EXPECT_TRUE(std::filesystem::exists(file.string() + "-21"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
