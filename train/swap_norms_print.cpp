#include <algorithm>
#include <array>
#include <ostream>

#include "normgrad/train/swap_norms.hpp"

namespace normgrad {

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "-" : text;
}

}  // namespace

bool SwapNormsReport::all_replaced() const noexcept {
  return std::all_of(norms.begin(), norms.end(), [](const NormReplacement& norm) { return norm.replaced; });
}

std::ostream& operator<<(std::ostream& out, const SwapNormsReport& report) {
  constexpr std::size_t kColumns = 6;
  std::vector<std::array<std::string, kColumns>> rows = {{"norm", "before", "after", "kept", "new", "dropped"}};
  for (const NormReplacement& norm : report.norms) {
    rows.push_back({norm.name.empty() ? "(model)" : norm.name, norm.before.substr(0, norm.before.find('(')),
                    norm.replaced ? norm.after : "as before", listed(norm.kept), listed(norm.added),
                    listed(norm.dropped)});
  }
  std::array<std::size_t, kColumns> widths = {};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) {
      line += (i > 0 ? "  " : "") + row[i] + std::string(widths[i] - row[i].size(), ' ');
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
  }
  for (const NormReplacement& norm : report.norms) {
    if (!norm.replaced) {
      out << (norm.name.empty() ? "(model)" : norm.name) << ": not replaced: " << norm.reason << "\n";
    }
  }
  return out;
}

}  // namespace normgrad
