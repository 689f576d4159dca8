// The functions whose gradients are checked: every operation, loss and layer, over several shapes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/gradcheck.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad::gradient_cases {

using Inputs = std::vector<Tensor>;

struct GradientCase {
  std::string family;  ///< a heading of the table: "arithmetic", "norm batch"
  std::string name;    ///< "conv2d stride=2"; starts with the operation's or layer's name
  TensorFunction function;
  Inputs inputs;
  int max_order = 2;
  bool into_filled_gradient = false;  ///< check first order through backward() on leaves that have a gradient already

  /// Shapes of the inputs that require gradients: "[2, 3] [3]".
  std::string shapes() const;
};

/// Collects the cases of one family after the other. Random inputs are drawn from one stream for each family, so that a
/// new case elsewhere changes nothing.
class CaseList {
 public:
  std::vector<GradientCase> cases;

  void start_family(const std::string& name);
  GradientCase& add(const std::string& name, TensorFunction function, Inputs inputs);

  // Inputs: float64, requiring gradients.
  /// Normal with the given mean and standard deviation.
  Tensor normal(const Shape& shape, double mean = 0.0, double sigma = 1.0);
  /// Between low and high.
  Tensor uniform(const Shape& shape, double low, double high);
  /// Of either sign, with 0.2 < |x| < 1.2: for functions with a kink at 0.
  Tensor away_from_zero(const Shape& shape);
  /// All different, at least 0.1 apart, in random order: for maxima.
  Tensor distinct(const Shape& shape);
  /// Integers in [0, n); int64, no gradient.
  Tensor indices(const Shape& shape, std::int64_t n);
  /// True and false.
  Tensor mask(const Shape& shape);

 private:
  std::string family_;
  Generator generator_;
};

/// x lying channels last in memory, and so its gradient: for functions that have ways of their own for that.
Tensor channels_last(const Tensor& x);

/// "0.5", for the names of cases.
std::string number(double value);

void add_arithmetic(CaseList& list);
void add_functions(CaseList& list);
void add_reductions(CaseList& list);
void add_shapes(CaseList& list);
void add_products(CaseList& list);
void add_convolutions(CaseList& list);
void add_losses(CaseList& list);
void add_norm_functions(CaseList& list);
void add_norm_layers(CaseList& list);
void add_layers(CaseList& list);

/// All of them.
std::vector<GradientCase> all_cases();

}  // namespace normgrad::gradient_cases
