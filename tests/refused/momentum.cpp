// Code that must not compile: the compiler rejects each NORMGRAD_CASE except 0 (tests/CMakeLists.txt runs them).
#include "normgrad/layers/norm/options.hpp"

using namespace normgrad;

struct Options {  // like those of the layers
  double eps = 1e-5;
  Momentum momentum = 0.1;
};

int main() {
#if NORMGRAD_CASE == 0  // correct uses, so that the others do not fail for another reason
  const Options plain{.momentum = 0.3};
  const Options weight{.momentum = UpdateWeight(0.1)};
  const Options decay{.momentum = Decay(0.9)};
  const Options cumulative{.momentum = Cumulative{}};
  const Options none{.momentum = std::nullopt};
  return plain.momentum.weight() && weight.momentum.weight() && decay.momentum.weight() &&
                 cumulative.momentum.is_cumulative() && none.momentum.is_cumulative()
             ? 0
             : 1;
#elif NORMGRAD_CASE == 1
  const UpdateWeight weight = Decay(0.9);
  return weight.value > 0 ? 0 : 1;
#elif NORMGRAD_CASE == 2
  const Decay decay = UpdateWeight(0.1);
  return decay.value > 0 ? 0 : 1;
#elif NORMGRAD_CASE == 3
  const Options options{.momentum = Decay(UpdateWeight(0.1))};
  return options.momentum.is_cumulative() ? 1 : 0;
#elif NORMGRAD_CASE == 4
  Decay decay(0.9);
  decay = UpdateWeight(0.1);
  return decay.value > 0 ? 0 : 1;
#elif NORMGRAD_CASE == 5
  const Decay decay = 0.99;  // a plain number is PyTorch's update weight
  return decay.value > 0 ? 0 : 1;
#elif NORMGRAD_CASE == 6
  const Momentum momentum = 0.1;
  const Decay decay = momentum;
  return decay.value > 0 ? 0 : 1;
#endif
}
