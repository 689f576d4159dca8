// Numbers for people.
#pragma once

#include <cstdint>
#include <string>

namespace normgrad::detail {

/// 1234567 as "1,234,567". For numbers >= 0.
inline std::string with_commas(std::int64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t i = text.size(); i > 3; i -= 3) {
    text.insert(i - 3, 1, ',');
  }
  return text;
}

}  // namespace normgrad::detail
