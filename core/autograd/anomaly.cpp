#include "normgrad/core/autograd/anomaly.hpp"

#include <cmath>
#include <string>

#include "normgrad/core/autograd/anomaly_check.hpp"
#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/watch.hpp"

namespace normgrad {

namespace {

thread_local int guards = 0;

template <class T>
std::int64_t first_not_finite(const T* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) {
      return i;
    }
  }
  return -1;
}

std::string position_of(std::int64_t element, const Shape& shape) {
  std::string text;
  for (std::int64_t axis = shape.dim() - 1; axis >= 0; --axis) {
    text.insert(0, std::to_string(element % shape.at(axis)) + (text.empty() ? "" : ", "));
    element /= shape.at(axis);
  }
  return detail::concat("[", text, "]");
}

}  // namespace

class DetectAnomalyGuard::Looker : public detail::Watcher {
 public:
  explicit Looker(bool check_values) : check_values_(check_values) {}

  void computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) override {
    if (!check_values_ || detail::current_node() != nullptr || detail::is_all_finite(y)) {
      return;
    }
    const std::string place = detail::current_place();
    const std::string where = detail::concat("'", name, place.empty() ? "'" : "' in " + place);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!detail::is_all_finite(inputs[i])) {
        fail<GraphError>(
            "anomaly: ", where, ": input ", i, " of ", inputs.size(), " ", detail::not_finite_text(inputs[i]),
            " and is not the result of an operation; check the data, and the parameters after the last step");
      }
    }
    fail<GraphError>("anomaly: ", where, ": its result ", detail::not_finite_text(y), " but its inputs are finite");
  }

 private:
  bool check_values_;
};

DetectAnomalyGuard::DetectAnomalyGuard(AnomalyOptions options)
    : looker_(std::make_unique<Looker>(options.check_values)) {
  ++guards;
}

DetectAnomalyGuard::~DetectAnomalyGuard() { --guards; }

bool is_anomaly_enabled() noexcept { return guards > 0; }

namespace detail {

bool is_all_finite(const Tensor& tensor) {
  bool finite = true;
  if (tensor.defined() && is_floating_point(tensor.dtype())) {
    dispatch_float("anomaly", tensor.dtype(), [&](auto zero) {
      using T = decltype(zero);
      finite = first_not_finite(tensor.physical_data<T>(), tensor.numel()) < 0;
    });
  }
  return finite;
}

std::string not_finite_text(const Tensor& tensor) {
  std::string text;
  dispatch_float("anomaly", tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* values = tensor.data<T>();
    const std::int64_t at = first_not_finite(values, tensor.numel());
    const char* value = std::isnan(values[at]) ? "nan" : values[at] > 0 ? "inf" : "-inf";
    text = concat("(", tensor.dtype(), " ", tensor.shape(), ") is ", value, " at ", position_of(at, tensor.shape()));
  });
  return text;
}

std::string origin_text(const Node& node) {
  return concat("'", node.name(), node.origin ? "' in " + *node.origin : "'");
}

void check_input_gradient(const Node& node, std::size_t input, const Tensor& gradient) {
  if (!is_all_finite(gradient)) {
    fail<GraphError>("anomaly: backward of ", origin_text(node), ": the gradient of its input ", input, " ",
                     not_finite_text(gradient), " but the gradient of its result is finite");
  }
}

void check_whole_gradient(const Node& node, const Tensor& gradient) {
  if (!is_all_finite(gradient)) {
    fail<GraphError>(
        "anomaly: the gradient of the result of ", origin_text(node), " ", not_finite_text(gradient),
        " but the gradients that it is the sum of are finite, or come from the call of backward() or from a hook");
  }
}

}  // namespace detail

}  // namespace normgrad
