#include <algorithm>
#include <cmath>
#include <ostream>
#include <sstream>

#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"

namespace normgrad {

namespace {

std::string position(std::int64_t element, const Shape& shape) {
  Shape at = shape;
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    const std::int64_t size = std::max<std::int64_t>(shape[axis], 1);
    at[axis] = element % size;
    element /= size;
  }
  return to_string(at);
}

std::string positions(const std::vector<std::int64_t>& elements, const Shape& shape) {
  constexpr std::size_t kShown = 5;
  std::ostringstream text;
  for (std::size_t i = 0; i < std::min(elements.size(), kShown); ++i) {
    text << (i == 0 ? "" : " ") << position(elements[i], shape);
  }
  if (elements.size() > kShown) {
    text << " and " << elements.size() - kShown << " more";
  }
  return text.str();
}

void print(std::ostream& out, const GradCheckInput& input) {
  out << "  input " << input.index;
  if (!input.name.empty()) {
    out << " '" << input.name << "'";
  }
  out << " " << input.shape << ": " << (input.passed ? "passed" : "FAILED") << ", max abs error " << input.max_abs_error
      << ", max rel error " << input.max_rel_error << "; worst at " << position(input.worst, input.shape)
      << ": analytic " << input.analytic << ", numeric " << input.numeric << ", step " << input.step << ", tolerance "
      << input.tolerance << "\n";
  if (input.noise > 0.0) {
    out << "    the function rounds: its own noise of " << input.noise << " is allowed for\n";
  }
  if (input.constant) {
    out << "    the function does not change with this input\n";
  }
  if (input.degenerate) {
    out << "    degenerate: the function changes with this input but its projection on grad_outputs does not, so the "
           "check cannot tell a right backward from a wrong one; project with random grad_outputs\n";
  }
  if (!input.kinks.empty()) {
    out << "    kink: the one-sided derivatives differ at " << positions(input.kinks, input.shape)
        << "; choose inputs away from it, or allow_kinks\n";
  }
  if (!input.unresolved.empty()) {
    out << "    unresolved: the differences do not settle at " << positions(input.unresolved, input.shape)
        << "; the function is not smooth or not computed in float64 there\n";
  }
}

double largest(const std::vector<GradCheckInput>& inputs, double GradCheckInput::*error) {
  double most = 0.0;
  for (const GradCheckInput& input : inputs) {
    most = std::isnan(input.*error) ? input.*error : std::max(most, input.*error);
  }
  return most;
}

}  // namespace

double GradCheckReport::max_abs_error() const { return largest(inputs, &GradCheckInput::max_abs_error); }
double GradCheckReport::max_rel_error() const { return largest(inputs, &GradCheckInput::max_rel_error); }

std::ostream& operator<<(std::ostream& out, const GradCheckReport& report) { return out << to_string(report); }

std::string to_string(const GradCheckReport& report) {
  std::ostringstream out;
  out.precision(10);
  out << "gradcheck of order " << report.order << ": " << (report.passed ? "passed" : "FAILED") << "\n";
  for (const GradCheckInput& input : report.inputs) {
    print(out, input);
  }
  for (const std::string& problem : report.problems) {
    out << "  " << problem << "\n";
  }
  return out.str();
}

}  // namespace normgrad
