// The main program of dist_tests, which runs under mpirun: every rank runs every test. A test that fails on one rank
// fails on all of them. Rank 0 prints, and the others print their failures.
#include <gtest/gtest.h>

#include <iostream>
#include <memory>

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/dist.hpp"

namespace {

using normgrad::ProcessGroup;
using normgrad::Tensor;

class FailurePrinter : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& info) override {
    test_ = std::string(info.test_suite_name()) + "." + info.name();
  }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      std::cout << "[rank " << ProcessGroup::world().rank() << "] " << test_ << "\n"
                << (result.file_name() == nullptr ? "" : result.file_name()) << ":" << result.line_number() << "\n"
                << result.message() << std::endl;
    }
  }

  std::string test_;  // GoogleTest holds its lock while it reports a failure, so the name is not asked for then
};

class AgreeOnFailures : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& /*info*/) override {
    ProcessGroup group = ProcessGroup::world();
    group.set_check_calls(true);
    group.set_timeout(20);
  }

  void OnTestEnd(const testing::TestInfo& info) override {
    if (normgrad::live_nodes() != 0) {
      ADD_FAILURE() << normgrad::live_nodes() << " recorded operations outlived the test " << info.name();
    }
    try {
      const bool failed = info.result()->Failed();
      int others = 0;
      for (const std::string& answer : ProcessGroup::world().all_gather_object(std::string(failed ? "1" : "0"))) {
        others += answer == "1" ? 1 : 0;
      }
      if (others > 0 && !failed) {
        ADD_FAILURE() << "the test failed on " << others << " other ranks";
      }
    } catch (const std::exception& error) {
      // The ranks are no longer in step: nothing after this would mean anything.
      std::cout << "[rank " << ProcessGroup::world().rank() << "] after " << info.name() << ": " << error.what()
                << std::endl;
      std::_Exit(1);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (ProcessGroup::world().rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  listeners.Append(new AgreeOnFailures);
  const int failed = RUN_ALL_TESTS();
  ProcessGroup::world().barrier();  // all ranks have printed before one ends the others
  return failed;
}
