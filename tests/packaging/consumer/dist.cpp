// A program with normgrad::dist, here of a single process.
#include <iostream>
#include <normgrad/dist.hpp>
#include <normgrad/normgrad.hpp>

int main() {
  const normgrad::ProcessGroup group = normgrad::ProcessGroup::world();
  const double sum = group.all_reduce(normgrad::ones({3})).sum().item();
  std::cout << "rank " << group.rank() << " of " << group.size() << ": " << sum << std::endl;
  return sum == 3.0 * group.size() ? 0 : 1;
}
