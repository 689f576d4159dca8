// Parameters that look like handles, and models with invalid members. See momentum.cpp for how the cases are run.
#include "normgrad/layers/linear.hpp"

using namespace normgrad;

struct PlainTensor : Module {
#if NORMGRAD_CASE == 1
  Tensor scale;
#else
  Parameter scale;
#endif
  std::vector<std::optional<Parameter>> more;
  std::unique_ptr<Linear> pointer;
  NORMGRAD_MEMBERS(PlainTensor, scale, more, pointer)
};

struct WithoutMacro : Module {
  Linear fc{2, 2};
#if NORMGRAD_CASE != 2
  NORMGRAD_MEMBERS(WithoutMacro, fc)
#endif
  Tensor forward(const Tensor& x) override { return fc(x); }
};

int main() {
  PlainTensor plain;
  WithoutMacro net;
  Linear layer(2, 2);
#if NORMGRAD_CASE == 0  // correct uses, so that the others do not fail for another reason
  const Tensor handle = layer.weight;
  auto& same = layer.weight;
  const Parameter copy(layer.weight);
  const Linear other = layer;
  layer.bias = Parameter(handle);
  int count = 0;
  for (const Tensor& p : std::vector<Tensor>{layer.weight, layer.bias}) {
    count += p.defined() ? 1 : 0;
  }
  return count + static_cast<int>(same.dim() + copy.dim() + other.weight.dim());
#elif NORMGRAD_CASE == 3
  auto w = layer.weight;
#elif NORMGRAD_CASE == 4
  for (auto p : {layer.weight, layer.bias}) {
    p.zero_();
  }
#elif NORMGRAD_CASE == 5
  StateBuffer statistics(layer.weight.detach());
  auto copy = statistics;
#endif
}
