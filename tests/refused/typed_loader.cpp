// Examples of which a TypedLoader cannot make batches by itself. See momentum.cpp for how the cases are run.
#include "normgrad/data/typed_loader.hpp"

using namespace normgrad;

struct Sample {
  Tensor image;
  int label;
};
struct Images {
  Tensor images;
};

int main() {
  const std::vector<Sample> samples;
#if NORMGRAD_CASE == 0  // correct uses, so that the others do not fail for another reason
  const auto collate = [](const std::vector<Sample>& some) { return Images{some[0].image}; };
  const TypedLoader with_function(samples, collate, {.batch_size = 4});
  const TypedLoader tensors(std::vector<Images>(), {.batch_size = 4});
#elif NORMGRAD_CASE == 1
  const TypedLoader loader(samples);
#elif NORMGRAD_CASE == 2
  const TypedLoader loader(samples, {.batch_size = 4});
#elif NORMGRAD_CASE == 3
  const TypedLoader loader(samples, LoaderOptions<Images>());
#endif
}
