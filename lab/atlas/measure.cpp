#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>

#include "lab/atlas/atlas.hpp"

namespace atlas {

using namespace normgrad;

namespace {

const Shape kShape = {kSamples, kChannels, kHeight, kWidth};
constexpr double kStep = 1e-4;       // of a perturbation
constexpr double kNoEffect = 1e-9;   // rounding of an output divided by the step
constexpr double kInvariant = 1e-3;  // eps takes less from a norm's invariance to scale

Tensor input() {
  Generator generator(5);
  return randn(kShape, {.dtype = kFloat64}, &generator);
}

/// Central differences of the target with respect to every element of x.
std::vector<bool> elements_that_matter(Module& norm, const Tensor& x) {
  const auto target = [&](std::int64_t element, double change) {
    Tensor moved = x.clone();
    moved.mutable_data<double>()[element] += change;
    return norm(moved).to_vector<double>()[kTarget];
  };
  std::vector<bool> matter;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    matter.push_back(std::abs(target(i, kStep) - target(i, -kStep)) / (2.0 * kStep) > kNoEffect);
  }
  return matter;
}

double largest(const Tensor& x) { return x.abs().max().item(); }

Invariances invariances_of(Module& norm, const Tensor& x) {
  const Tensor y = norm(x);
  Generator generator(6);
  const auto factors = [&](const Shape& shape) { return rand(shape, {.dtype = kFloat64}, &generator) + 1.0; };
  const auto keeps = [&](const Tensor& changed) { return largest(norm(changed) - y) <= kInvariant * largest(y); };
  const Shape all = {1};
  const Shape samples = {kSamples, 1, 1, 1};
  const Shape channels = {1, kChannels, 1, 1};
  return {.shift_of_all = keeps(x + factors(all)),
          .shift_of_samples = keeps(x + factors(samples)),
          .shift_of_channels = keeps(x + factors(channels)),
          .scale_of_all = keeps(x * factors(all)),
          .scale_of_samples = keeps(x * factors(samples)),
          .scale_of_channels = keeps(x * factors(channels))};
}

/// How many directions of x change no output, to first order: singular values of the Jacobian below a thousandth of the
/// largest.
std::int64_t null_directions_of(Module& norm, const Tensor& x) {
  const Tensor derivatives = jacobian([&norm](const Tensor& input) { return norm(input); }, x);
  const Tensor values = linalg::svdvals(derivatives.reshape({x.numel(), x.numel()}));
  return static_cast<std::int64_t>((values < 1e-3 * values.max().item()).sum().item());
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double cost_of(const std::string& name) {
  const NoGradGuard no_grad;
  Generator generator(7);
  const Tensor x = randn({32, 64, 16, 16}, {}, &generator);
  const std::unique_ptr<Module> norm = make_norm(name, {.num_features = 64, .spatial_dims = 2});
  Tensor result;
  double copy = std::numeric_limits<double>::infinity();
  double forward = copy;
  for (int i = 0; i < 25; ++i) {  // in turns, so that other programs slow both
    copy = std::min(copy, seconds_of([&] { result = x.clone(); }));
    forward = std::min(forward, seconds_of([&] { result = (*norm)(x); }));
  }
  return forward / copy;
}

/// Replaces first values of parameters that hide the formula.
void show_formula(Module& norm) {
  const NoGradGuard no_grad;
  if (auto* response = dynamic_cast<GlobalResponseNorm*>(&norm)) {
    response->gamma.fill_(1.0);
  }
  if (auto* gated = dynamic_cast<BatchInstanceNorm*>(&norm)) {
    gated->gate.fill_(0.5);
  }
  if (auto* filter = dynamic_cast<FilterResponseNorm*>(&norm)) {
    constexpr double kBelowAll = -1e3;
    filter->tau.fill_(kBelowAll);
  }
}

std::string images_behind(const std::string& name, const Tensor& images) {
  const NormContext place = {.num_features = images.size(1), .spatial_dims = 2};
  const std::string spec = name == "group" ? "group:1" : name;
  if (!is_norm_applicable(spec, place)) {
    return {};
  }
  const NoGradGuard no_grad;
  const std::unique_ptr<Module> norm = make_norm(spec, place);
  show_formula(*norm);
  return bitmap_uri((*norm)(images));
}

Entry measure(const NormEntry& norm, const Tensor& images) {
  Entry entry;
  entry.name = norm.name;
  entry.formula = formula_of(norm.name);
  const NormContext place = {.num_features = kChannels, .spatial_dims = 2, .dtype = kFloat64};
  entry.reason = norm.reason_against ? norm.reason_against(place) : "";
  if (!entry.reason.empty()) {
    return entry;
  }
  const std::unique_ptr<Module> module = make_norm(norm.name == "group" ? "group:2" : norm.name, place);
  const std::string arguments = module->extra_repr();
  entry.layer = module->type_name() + "(" + arguments + ")";
  show_formula(*module);
  const Tensor x = input();
  {
    const NoGradGuard no_grad;
    const FreezeStatisticsGuard frozen;
    entry.shared = elements_that_matter(*module, x);
    entry.invariances = invariances_of(*module, x);
  }
  {
    const FreezeStatisticsGuard frozen;
    entry.null_directions = null_directions_of(*module, x);
  }
  {
    const NoGradGuard no_grad;
    (*module)(x);  // running statistics that evaluation uses
    module->eval();
    entry.shared_eval = elements_that_matter(*module, x);
  }
  entry.cost = cost_of(norm.name);
  entry.images = images_behind(norm.name, images);
  return entry;
}

}  // namespace

std::vector<Entry> measure_all(const Tensor& images) {
  std::vector<Entry> entries;
  for (const NormEntry& norm : norm_registry()) {
    entries.push_back(measure(norm, images));
  }
  return entries;
}

}  // namespace atlas
