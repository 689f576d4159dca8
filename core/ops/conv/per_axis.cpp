#include "normgrad/core/ops/conv/per_axis.hpp"

#include <algorithm>
#include <ostream>
#include <string_view>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

PerAxis::PerAxis(std::initializer_list<std::int64_t> sizes) : PerAxis(std::vector<std::int64_t>(sizes)) {}

PerAxis::PerAxis(const std::vector<std::int64_t>& sizes) : count_(sizes.size()) {
  require<ShapeError>(
      !sizes.empty() && sizes.size() <= sizes_.size(),
      "window sizes (kernel_size, stride, padding, ...): expected one number or one for each of up to 3 "
      "axes but got a list of ",
      sizes.size());
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

std::array<std::int64_t, 3> PerAxis::resolve(const char* where, const char* argument, std::size_t axes,
                                             std::int64_t least, std::int64_t fill) const {
  require<ShapeError>(count_ == 0 || count_ == axes, where, ": expected ", argument, " to be one number or ", axes,
                      " but got ", *this,
                      count_ == 2 * axes && std::string_view(argument) == "padding"
                          ? "; pad both ends of an axis differently before, with pad(x, {left, right, top, bottom})"
                          : "");
  std::array<std::int64_t, 3> sizes{fill, fill, fill};
  for (std::size_t i = 0; i < axes; ++i) {
    require<ValueError>(sizes_[i] >= least, where, ": expected ", argument, " >= ", least, " but got ", *this);
    sizes[sizes.size() - axes + i] = sizes_[i];
  }
  return sizes;
}

ConvPadding::ConvPadding(const char* name) : is_same_(std::string_view(name) == "same") {
  require<ValueError>(is_same_ || std::string_view(name) == "valid",
                      "padding: expected sizes, \"same\" or \"valid\" but got \"", name, "\"");
}

std::ostream& operator<<(std::ostream& out, const ConvPadding& padding) {
  return padding.is_same() ? out << "same" : out << padding.sizes();
}

std::ostream& operator<<(std::ostream& out, const PerAxis& sizes) {
  if (sizes.count() == 0) {
    return out << sizes[0];
  }
  for (std::size_t i = 0; i < sizes.count(); ++i) {
    out << (i == 0 ? "[" : ", ") << sizes[i];
  }
  return out << ']';
}

}  // namespace normgrad
