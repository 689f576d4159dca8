// What the reports share.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace bench {

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// A case of both programs.
struct Row {
  std::string name;
  double ours;    ///< microseconds, or MB
  double theirs;  ///< the same of LibTorch
  double ratio() const { return theirs / ours; }
};

}  // namespace bench
