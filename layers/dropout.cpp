#include "normgrad/layers/dropout.hpp"

#include "normgrad/core/ops/elementwise/dropout.hpp"

namespace normgrad {

Dropout::Dropout(double p) : p_(p) {
  require<ValueError>(p >= 0.0 && p <= 1.0, "Dropout: expected p in [0, 1] but got ", p);
}

std::string Dropout::extra_repr() const { return detail::concat("p=", p_); }

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p_, is_training()); }

}  // namespace normgrad
