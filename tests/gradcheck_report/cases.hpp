// The functions whose gradients are checked: every operation, loss and layer, for several shapes.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad::tests {

using Inputs = std::vector<Tensor>;

struct GradientCase {
  std::string family;  ///< heading in the table: "arithmetic", "norm batch"
  std::string name;    ///< "conv2d stride=2"; starts with the name of the operation or layer
  TensorFunction function;
  Inputs inputs;
  int max_order = 2;
  bool into_filled_gradient =
      false;  ///< whether to check first order through backward() on leaves that already have a gradient

  /// Shapes of the inputs that require gradients: "[2, 3] [3]".
  std::string shapes() const;
};

/// Collects the cases, family by family. Random inputs are drawn from one stream per family, so that a new case
/// elsewhere changes nothing.
class CaseList {
 public:
  std::vector<GradientCase> cases;

  void start_family(const std::string& name);
  GradientCase& add(const std::string& name, TensorFunction function, Inputs inputs);

  // Inputs: float64 and requiring gradients.
  /// Normal with the given mean and standard deviation.
  Tensor normal(const Shape& shape, double mean = 0.0, double sigma = 1.0);
  /// Uniform between low and high.
  Tensor uniform(const Shape& shape, double low, double high);
  /// Of both signs, with 0.2 < |x| < 1.2: for functions with a kink at 0.
  Tensor away_from_zero(const Shape& shape);
  /// All different by at least 0.1, in random order: for maxima.
  Tensor distinct(const Shape& shape);
  /// Integers in [0, n); int64 without a gradient.
  Tensor indices(const Shape& shape, std::int64_t n);
  /// Random true and false.
  Tensor mask(const Shape& shape);

 private:
  std::string family_;
  std::set<const double*> elements_;  // of the inputs of all cases
  Generator generator_;
};

/// x in channels-last format, and so is its gradient: for functions with special code for that format.
Tensor channels_last(const Tensor& x);

/// Adds a layer with random parameters, and running statistics of a batch like the input, in the given mode.
void add_layer(CaseList& list, const std::string& name, const std::shared_ptr<Module>& layer, const Tensor& x,
               bool train = true);

/// "0.5", for case names.
std::string number(double value);

void add_arithmetic(CaseList& list);
void add_functions(CaseList& list);
void add_special_functions(CaseList& list);
void add_activations(CaseList& list);
void add_reductions(CaseList& list);
void add_order(CaseList& list);
void add_shapes(CaseList& list);
void add_indexing(CaseList& list);
void add_products(CaseList& list);
void add_convolutions(CaseList& list);
void add_attention(CaseList& list);
void add_sums_of_products(CaseList& list);
void add_linear_algebra(CaseList& list);
void add_images(CaseList& list);
void add_image_layers(CaseList& list);
void add_losses(CaseList& list);
void add_margin_losses(CaseList& list);
void add_norm_functions(CaseList& list);
void add_norm_layers(CaseList& list);
void add_norm_variants(CaseList& list);
void add_norms_of_papers(CaseList& list);
void add_layers(CaseList& list);
void add_sequence_layers(CaseList& list);
void add_parametrizations(CaseList& list);

/// All cases.
std::vector<GradientCase> all_cases();

}  // namespace normgrad::tests
