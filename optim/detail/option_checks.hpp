// Access to and validation of optimizer options. Internal.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <variant>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

using OptionPointer = std::variant<double*, bool*, std::int64_t*>;

inline double option_value(const OptionPointer& option) {
  return std::visit([](const auto* value) { return static_cast<double>(*value); }, option);
}

/// A whole number becomes -1, which the checks of options reject, if the value is not one.
inline void set_option_value(const OptionPointer& option, double value) {
  if (auto* const* whole = std::get_if<std::int64_t*>(&option)) {
    **whole = std::fabs(value) < 0x1p53 && value == std::floor(value) ? static_cast<std::int64_t>(value) : -1;
    return;
  }
  std::visit([value](auto* to) { *to = static_cast<std::remove_pointer_t<decltype(to)>>(value); }, option);
}

/// Throws ValueError unless the option is a finite number.
inline void check_finite(const char* optimizer, const char* option, double value) {
  require<ValueError>(std::isfinite(value), optimizer, ": expected a finite ", option, " but got ", value);
}

/// Throws ValueError unless the option is a finite number of at least 0.
inline void check_at_least_zero(const char* optimizer, const char* option, double value) {
  require<ValueError>(value >= 0.0, optimizer, ": expected ", option, " >= 0 but got ", value);
  check_finite(optimizer, option, value);
}

/// Throws ValueError unless the option is a finite number in [0, 1).
inline void check_below_one(const char* optimizer, const char* option, double value) {
  require<ValueError>(value >= 0.0 && value < 1.0, optimizer, ": expected ", option, " in [0, 1) but got ", value);
}

/// Throws ValueError unless the option is at least 1.
inline void check_count(const char* optimizer, const char* option, std::int64_t value) {
  require<ValueError>(value >= 1, optimizer, ": expected a whole ", option, " of at least 1 but got ", value);
}

/// Throws ValueError unless both are in [0, 1).
inline void check_betas(const char* optimizer, const std::array<double, 2>& betas) {
  for (const double beta : betas) {
    require<ValueError>(beta >= 0.0 && beta < 1.0, optimizer, ": expected betas in [0, 1) but got ", betas[0], " and ",
                        betas[1]);
  }
}

}  // namespace normgrad::detail
