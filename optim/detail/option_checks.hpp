// Access to and validation of optimizer options. Internal.
#pragma once

#include <array>
#include <cmath>
#include <type_traits>
#include <variant>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

inline double option_value(const std::variant<double*, bool*>& option) {
  return std::visit([](const auto* value) { return static_cast<double>(*value); }, option);
}

inline void set_option_value(const std::variant<double*, bool*>& option, double value) {
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

/// Throws ValueError unless both are in [0, 1).
inline void check_betas(const char* optimizer, const std::array<double, 2>& betas) {
  for (const double beta : betas) {
    require<ValueError>(beta >= 0.0 && beta < 1.0, optimizer, ": expected betas in [0, 1) but got ", betas[0], " and ",
                        betas[1]);
  }
}

}  // namespace normgrad::detail
