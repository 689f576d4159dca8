#include "lab/number_checks.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "normgrad/core/base/error.hpp"

namespace lab {

namespace {

constexpr double kMaxWhole = 1e12;

using normgrad::detail::concat;

/// Without an exponent if it is whole.
std::string written(double value) {
  return value == std::floor(value) && std::abs(value) <= kMaxWhole ? std::to_string(static_cast<std::int64_t>(value))
                                                                    : concat(value);
}

std::string limits_of(Range range) {
  if (range.to < std::numeric_limits<double>::infinity()) {
    return "from " + written(range.from) + " to " + written(range.to);
  }
  return range.from == kAboveZero.from ? "above 0" : "of at least " + written(range.from);
}

CLI::Validator refusing_with(std::function<std::string(const std::string&)> expected) {
  return CLI::Validator(
      [expected = std::move(expected)](const std::string& text) {
        const std::string fault = expected(text);
        return fault.empty() ? fault : concat("expected ", fault, " but got '", text, "'");
      },
      "");
}

}  // namespace

CLI::Validator number_in(Range range) {
  return refusing_with([range](const std::string& text) {
    double value = 0.0;
    const bool fits = CLI::detail::lexical_cast(text, value) && value >= range.from && value <= range.to;
    return fits ? std::string() : "a number " + limits_of(range);
  });
}

CLI::Validator whole_number_in(Range range) {
  return refusing_with([range](const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = !text.empty() && end == text.data() + text.size();
    const auto number = static_cast<double>(value);
    if (is_number && error == std::errc() && std::to_string(value) == text && number >= range.from &&
        number <= std::min(range.to, kMaxWhole)) {
      return std::string();
    }
    const bool is_too_large = is_number && text[0] != '-' && (error != std::errc() || number > kMaxWhole);
    return "a whole number " + limits_of(is_too_large && range.to > kMaxWhole ? Range{range.from, kMaxWhole} : range);
  });
}

}  // namespace lab
