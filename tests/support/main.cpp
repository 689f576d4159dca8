// The main program of every GoogleTest executable: checks after each test that no recorded operation is alive.
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
  // Appended: listeners are called in reverse order at the end of a test, so the printer sees its failures.
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  listeners.Append(new LiveNodeListener);
  return RUN_ALL_TESTS();
}
