// What happens to a run of which one rank fails.
#include <gtest/gtest.h>

#include "tests/support/run_program.hpp"

namespace normgrad::tests {
namespace {

ProgramResult run_failing(const std::string& how, const std::string& ranks) {
  // A run that hangs, or waits for the time limit of the calls, 300 s, ends with code 124, and its output is shown.
  return run_program({"/usr/bin/timeout", "-k", "1", "100", NORMGRAD_MPIEXEC, "-n", ranks, NORMGRAD_FAILING, how});
}

TEST(Launch, EndsWhenARankFails) {
  struct Case {
    std::string how;
    std::string message;  // of ours, or of Open MPI's launcher
    std::string hydra;    // with MPICH's launcher, which names no rank and nothing that ended with a code
    std::string through;  // printed by the ranks that were through
  };
  const std::string left =
      "waits for rank 2 in call 7 of the group 'world', all_reduce(sum) of float32 [5000], but it has ended";
  const std::vector<Case> cases = {{"kill", "rank 2 ", "EXIT CODE: 9", ""},
                                   {"both", "exited on signal 9", "EXIT CODE: 9", ""},
                                   {"throw", "the data of this rank is bad", "the data of this rank is bad", ""},
                                   {"exit", "Exit code:    2", "", ""},
                                   {"leave", left, left, ""},
                                   {"late", "rank 2 ", "EXIT CODE: 9", "rank 0 is through"}};
  for (const Case& c : cases) {
    const ProgramResult result = run_failing(c.how, "3");
    EXPECT_NE(result.exit_code, 0) << c.how;
    EXPECT_NE(result.exit_code, 124) << c.how << " hung\n" << result.out << result.err;
    EXPECT_EQ(result.out.find("is through") != std::string::npos, !c.through.empty()) << result.out;
    EXPECT_NE(result.out.find(c.through), std::string::npos) << result.out;
    const std::string all = result.out + result.err;
    const std::string& message = NORMGRAD_MPIEXEC_IS_HYDRA ? c.hydra : c.message;
    EXPECT_NE(all.find(message), std::string::npos) << c.how << "\n" << all;
  }
}

TEST(Launch, EndsWell) {
  const ProgramResult result = run_failing("not", "2");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("rank 0 is through"), std::string::npos);
  EXPECT_NE(result.out.find("rank 1 is through"), std::string::npos);
}

}  // namespace
}  // namespace normgrad::tests
