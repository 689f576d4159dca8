// usage: failing HOW, under mpirun: the last rank fails after some calls, and the others wait for it.
//   kill   it is killed by SIGKILL
//   both   it and the rank before it are killed by SIGKILL, at the same moment
//   throw  it throws an error that nobody catches
//   exit   it returns 2 from main()
//   leave  it ends with 0, as if the work were done
//   late   it is killed by SIGKILL after all calls, while the others end
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/dist.hpp"

int main(int argc, char** argv) {
  using namespace normgrad;
  const std::string how = argc > 1 ? argv[1] : "";
  const ProcessGroup group = ProcessGroup::world();
  const bool last = group.rank() == group.size() - 1;
  for (int step = 0; step < 100; ++step) {
    group.all_reduce(ones({5000}));
    if (step != 5) {
      continue;
    }
    if (how == "kill" && last) {
      std::raise(SIGKILL);
    }
    if (how == "both") {
      group.barrier();
      if (group.rank() >= group.size() - 2) {
        std::raise(SIGKILL);
      }
    }
    if (how == "throw" && last) {
      throw ValueError("the data of this rank is bad");
    }
    if ((how == "exit" || how == "leave") && last) {
      return how == "exit" ? 2 : 0;
    }
  }
  if (how == "late" && last) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::raise(SIGKILL);
  }
  std::cout << "rank " << group.rank() << " is through" << std::endl;
}
