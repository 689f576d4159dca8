// The main program of every GoogleTest executable here: after each test no recorded operation may be alive.
#include <gtest/gtest.h>

#include "normgrad/core/autograd/node.hpp"

namespace {

class LiveNodeListener : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& info) override {
    if (normgrad::live_nodes() != 0) {
      ADD_FAILURE() << normgrad::live_nodes() << " recorded operations outlived the test " << info.name();
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // First in the list, so that its failures are seen by the printer, which is asked in reverse order at a test's end.
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  listeners.Append(new LiveNodeListener);
  return RUN_ALL_TESTS();
}
