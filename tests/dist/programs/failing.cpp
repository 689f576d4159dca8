// usage: failing HOW, under mpirun: the last rank fails after some calls, and the others wait for it.
//   kill   it is killed by SIGKILL
//   throw  it throws an error that nobody catches
//   exit   it returns 2 from main()
//   leave  it ends with 0, as if the work were done
#include <csignal>
#include <iostream>
#include <string>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/dist.hpp"

int main(int argc, char** argv) {
  using namespace normgrad;
  const std::string how = argc > 1 ? argv[1] : "";
  ProcessGroup group = ProcessGroup::world();
  group.set_timeout(3);
  for (int step = 0; step < 100; ++step) {
    group.all_reduce(ones({5000}));
    if (step == 5 && group.rank() == group.size() - 1) {
      if (how == "kill") {
        std::raise(SIGKILL);
      }
      if (how == "throw") {
        throw ValueError("the data of this rank is bad");
      }
      if (how == "exit" || how == "leave") {
        return how == "exit" ? 2 : 0;
      }
    }
  }
  std::cout << "rank " << group.rank() << " is through" << std::endl;
}
