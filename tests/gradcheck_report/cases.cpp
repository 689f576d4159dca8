#include "tests/gradcheck_report/cases.hpp"

#include <sstream>
#include <utility>

#include "normgrad/core/autograd/record.hpp"

namespace normgrad::tests {

namespace {

template <class T, class F>
Tensor generated(const Shape& shape, DType dtype, F&& next) {
  Tensor x = Tensor::empty(shape, dtype);
  T* to = x.mutable_data<T>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    to[i] = next(i);
  }
  return x;
}

}  // namespace

std::string GradientCase::shapes() const {
  std::string text;
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) {
      text += text.empty() ? "" : " ";
      text += to_string(input.shape());
    }
  }
  return text;
}

void CaseList::start_family(const std::string& name) {
  family_ = name;
  std::uint64_t seed = 17;
  for (const char c : name) {
    seed = seed * 31 + static_cast<unsigned char>(c);
  }
  generator_.manual_seed(seed);
}

GradientCase& CaseList::add(const std::string& name, TensorFunction function, Inputs inputs) {
  GradientCase& added = cases.emplace_back();
  added.family = family_;
  added.name = name;
  added.function = std::move(function);
  // Cases are checked on several threads, and a check changes the elements of its inputs for a moment.
  for (Tensor& input : inputs) {
    const auto* elements = input.dtype() == kFloat64 ? input.data<double>() : nullptr;
    if (elements != nullptr && !elements_.insert(elements).second) {
      input = input.detach().clone().requires_grad_(input.requires_grad());
      elements_.insert(input.data<double>());
    }
  }
  added.inputs = std::move(inputs);
  return added;
}

Tensor CaseList::normal(const Shape& shape, double mean, double sigma) {
  return generated<double>(shape, kFloat64, [&](std::int64_t) { return mean + sigma * generator_.normal(); })
      .requires_grad_();
}

Tensor CaseList::uniform(const Shape& shape, double low, double high) {
  return generated<double>(shape, kFloat64, [&](std::int64_t) { return low + (high - low) * generator_.uniform(); })
      .requires_grad_();
}

Tensor CaseList::away_from_zero(const Shape& shape) {
  return generated<double>(shape, kFloat64,
                           [&](std::int64_t) {
                             const double x = 0.2 + generator_.uniform();
                             return generator_.below(2) == 0 ? x : -x;
                           })
      .requires_grad_();
}

Tensor CaseList::distinct(const Shape& shape) {
  const auto n = static_cast<double>(shape.numel());
  Tensor x = generated<double>(shape, kFloat64, [&](std::int64_t i) {
    return 0.2 * (static_cast<double>(i) - n / 2) + 0.1 * generator_.uniform();
  });
  double* values = x.mutable_data<double>();
  for (std::int64_t i = x.numel() - 1; i > 0; --i) {
    std::swap(values[i], values[generator_.below(static_cast<std::uint64_t>(i) + 1)]);
  }
  return x.requires_grad_();
}

Tensor CaseList::indices(const Shape& shape, std::int64_t n) {
  return generated<std::int64_t>(shape, kInt64, [&](std::int64_t) {
    return static_cast<std::int64_t>(generator_.below(static_cast<std::uint64_t>(n)));
  });
}

Tensor CaseList::mask(const Shape& shape) {
  return generated<bool>(shape, kBool, [&](std::int64_t) { return generator_.below(2) == 0; });
}

Tensor channels_last(const Tensor& x) {
  if (x.dim() < 3) {
    return x;
  }
  return record("channels_last", x.as_channels_last(), {x},
                [](const Tensor& gy, GradSink& into) { into.add(0, channels_last(gy)); });
}

std::string number(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::vector<GradientCase> all_cases() {
  CaseList list;
  add_arithmetic(list);
  add_functions(list);
  add_special_functions(list);
  add_activations(list);
  add_reductions(list);
  add_order(list);
  add_shapes(list);
  add_indexing(list);
  add_products(list);
  add_convolutions(list);
  add_attention(list);
  add_sums_of_products(list);
  add_linear_algebra(list);
  add_images(list);
  add_losses(list);
  add_margin_losses(list);
  add_norm_functions(list);
  add_norm_layers(list);
  add_norm_variants(list);
  add_norms_of_papers(list);
  add_layers(list);
  add_image_layers(list);
  add_sequence_layers(list);
  add_parametrizations(list);
  return std::move(list.cases);
}

}  // namespace normgrad::tests
