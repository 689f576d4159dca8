// A name where requires_grad_() takes a bool must not compile: it would convert to true, for all parameters. See
// momentum.cpp for how the cases are run.
#include "normgrad/layers/container/sequential.hpp"
#include "normgrad/layers/linear.hpp"

using namespace normgrad;

int main() {
  Linear one(2, 3);
  Sequential net(Linear(2, 3), Linear(3, 1));
  Tensor x = one.weight.detach();
#if NORMGRAD_CASE == 0  // correct uses, so that the others do not fail for another reason
  one.requires_grad_();
  one.requires_grad_(false);
  x.requires_grad_();
  x.requires_grad_(false).requires_grad_(true);
  const std::vector<std::string> names = {"0"};
  return static_cast<int>(net.requires_grad_({"0"}, false) + net.requires_grad_({"0", "1.bias"}, true) +
                          net.requires_grad_(names, false));
#elif NORMGRAD_CASE == 1
  net.requires_grad_("0");
#elif NORMGRAD_CASE == 2
  net.requires_grad_("0", false);
#elif NORMGRAD_CASE == 3
  x.requires_grad_("0");
#elif NORMGRAD_CASE == 4
  net.requires_grad_({"0"});
#elif NORMGRAD_CASE == 5
  net.requires_grad_(std::string("0"));
#endif
}
