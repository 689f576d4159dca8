// compare_norms, whose runs are spread over ranks.
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <thread>

#include "lab/files.hpp"
#include "tests/dist/launch/processes.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class DistributedCompareNorms : public testing::Test {
 protected:
  DistributedCompareNorms() { write_mnist_folder(folder_ / "data", 200, 50); }

  /// 0 ranks: without mpirun. Two words in `more` are the whole command line.
  ProgramResult run(int ranks, const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command;
    if (ranks > 0) {
      command = {"/usr/bin/timeout", "-k", "1", "100", NORMGRAD_MPIEXEC, "-n", std::to_string(ranks)};
      if (more.empty() && !std::string(NORMGRAD_MPIEXEC_RECOVERS).empty()) {
        command.insert(command.end() - 2, NORMGRAD_MPIEXEC_RECOVERS);
      }
    }
    command.emplace_back(NORMGRAD_COMPARE_NORMS);
    if (more.size() != 2) {
      command.insert(command.end(),
                     {"--data", (folder_ / "data").string(), "--models", "mlp", "--norms", "none,batch,layer",
                      "--steps", "100", "--eval-every", "50", "--seeds", "3", "--out", (folder_ / out).string()});
    }
    command.insert(command.end(), more.begin(), more.end());
    return run_program(command);
  }

  /// results.csv without its last column, the seconds.
  std::vector<std::string> rows_of(const std::string& out) const {
    std::vector<std::string> rows;
    std::istringstream in(lab::read_whole(folder_ / out / "results.csv").value_or(""));
    for (std::string row; std::getline(in, row);) {
      rows.push_back(row.substr(0, row.rfind(',')));
    }
    return rows;
  }

  std::int64_t stored_runs(const std::string& out) const {
    std::error_code none;
    std::int64_t runs = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / out / "runs", none)) {
      runs += entry.path().extension() == ".json" ? 1 : 0;
    }
    return runs;
  }

  TemporaryFolder folder_;
};

TEST_F(DistributedCompareNorms, HasTheResultsOfOneProcess) {
  ASSERT_EQ(run(0, "one").exit_code, 0);
  const std::vector<std::string> expected = rows_of("one");
  ASSERT_EQ(expected.size(), 1U + 3 * 3 * 2);
  const ProgramResult two = run(2, "two");
  EXPECT_EQ(two.exit_code, 0) << two.err;
  EXPECT_EQ(rows_of("two"), expected);
  EXPECT_THAT(two.err, HasSubstr("; 2 ranks"));
  EXPECT_EQ(two.out.find("wrote results.csv"), two.out.rfind("wrote results.csv")) << "once";

  const ProgramResult again = run(3, "two");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("9 of 9 runs were done before"));
  const ProgramResult fresh = run(2, "two", {"--fresh"});
  EXPECT_EQ(fresh.exit_code, 0) << fresh.err;
  EXPECT_THAT(fresh.err, Not(HasSubstr("done before")));
  EXPECT_EQ(rows_of("two"), expected);

  // The first rank would write the results, which another does in its place.
  for (const int rank : {0, 1}) {
    const std::string out = "killed" + std::to_string(rank);
    pid_t process = 0;
    ProgramResult killed;
    for (int attempt = 0; attempt < 20 && process == 0; ++attempt) {  // again if the kill came too late
      fs::remove_all(folder_ / out);
      std::thread killer([&] {
        for (int i = 0; i < 2000 && stored_runs(out) < 2; ++i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        process = process_of_rank(NORMGRAD_COMPARE_NORMS, (folder_ / out).string(), rank);
        if (process != 0) {
          kill(process, SIGKILL);
        }
      });
      killed = run(2, out);
      killer.join();
    }
    EXPECT_NE(process, 0) << "all kills came too late";
    EXPECT_THAT(killed.err, HasSubstr("; 2 ranks"));
    if (NORMGRAD_MPIEXEC_IS_HYDRA) {  // it ends the others
      EXPECT_NE(killed.exit_code, 0);
      killed = run(2, out);
      EXPECT_THAT(killed.err, HasSubstr(" of 9 runs were done before"));
    }
    EXPECT_EQ(rows_of(out), expected) << "rank " << rank << " killed\n" << killed.err;
    EXPECT_THAT(killed.out, HasSubstr("wrote results.csv"));
  }
}

TEST_F(DistributedCompareNorms, RefusesBadInputOnce) {
  const auto error = [&](const std::vector<std::string>& more) {
    const ProgramResult result = run(2, "bad", more);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.err.find("compare_norms: "), result.err.rfind("compare_norms: ")) << result.err;
    return result.err;
  };
  EXPECT_THAT(error({"--color"}), HasSubstr("compare_norms: "));
  EXPECT_THAT(error({"--data=/nowhere", "--out=" + (folder_ / "bad").string()}), HasSubstr("/nowhere"));
  EXPECT_THAT(error({"--out", "/dev/null/out"}), HasSubstr("/dev/null/out"));
}

// One line of rank 0: the others have another build, or other data.
TEST_F(DistributedCompareNorms, RefusesRanksThatDiffer) {
  const fs::path other_build = folder_ / "compare_norms";
  fs::copy_file(NORMGRAD_COMPARE_NORMS, other_build);
  std::ofstream(other_build, std::ios::binary | std::ios::app) << "more";
  write_mnist_folder(folder_ / "other", 150, 48);
  const auto error = [&](const std::string& program, const std::string& data) {
    const ProgramResult result =
        run_program({NORMGRAD_MPIEXEC, "-n", "1", NORMGRAD_COMPARE_NORMS, "--data", (folder_ / "data").string(),
                     "--out", (folder_ / "bad").string(), ":", "-n", "1", program, "--data", (folder_ / data).string(),
                     "--out", (folder_ / "bad").string()});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.err.find("compare_norms: "), result.err.rfind("compare_norms: ")) << result.err;
    return result.err;
  };
  EXPECT_THAT(error(other_build.string(), "data"),
              HasSubstr("compare_norms: expected the same build on all ranks but rank 0 has '"));
  EXPECT_THAT(error(NORMGRAD_COMPARE_NORMS, "other"),
              HasSubstr("compare_norms: expected the same data on all ranks but rank 0 has '"));
  EXPECT_THAT(error(NORMGRAD_COMPARE_NORMS, "none"), HasSubstr("compare_norms: rank 1: "));
}

}  // namespace
}  // namespace normgrad::tests
