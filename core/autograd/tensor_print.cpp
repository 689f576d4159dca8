#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "normgrad/core/autograd/node.hpp"
#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

namespace {

constexpr std::int64_t kAbridgeAbove = 1000;  // elements
constexpr std::int64_t kEdge = 3;             // elements kept at either end of an abridged axis
constexpr std::size_t kLineWidth = 80;

// A comma followed by newlines and indentation.
std::string line_break(std::size_t lines, std::size_t indent) {
  std::string text = ",";
  text.append(lines, '\n');
  text.append(indent, ' ');
  return text;
}

// Number format of all elements of a tensor, chosen from the values that are shown.
class Format {
 public:
  void see(double value) {
    if (value == 0.0 || !std::isfinite(value)) {
      return;
    }
    whole_ = whole_ && value == std::ceil(value);
    smallest_ = std::min(smallest_, std::abs(value));
    largest_ = std::max(largest_, std::abs(value));
  }
  std::string text(double value) const {
    if (!std::isfinite(value)) {
      return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    }
    const bool scientific =
        largest_ > 0.0 && (largest_ / smallest_ > 1e3 || largest_ > 1e8 || (!whole_ && smallest_ < 1e-4));
    char buffer[64];
    std::snprintf(buffer, sizeof(buffer), scientific ? "%.4e" : whole_ ? "%.0f." : "%.4f", value);
    return buffer;
  }

 private:
  bool whole_ = true;
  double smallest_ = INFINITY;
  double largest_ = 0.0;
};

class Printer {
 public:
  explicit Printer(const Tensor& tensor)
      : tensor_(tensor), strides_(strides_of(tensor.shape())), abridged_(tensor.numel() > kAbridgeAbove) {
    if (is_floating_point(tensor.dtype())) {
      for_shown(0, 0, [this](std::int64_t at) { format_.see(value(at)); });
    }
    for_shown(0, 0, [this](std::int64_t at) { width_ = std::max(width_, text(at).size()); });
  }

  std::string print(std::size_t axis, std::int64_t offset, std::size_t indent) const {
    if (axis == tensor_.shape().rank()) {
      return padded(offset);
    }
    const bool innermost = axis + 1 == tensor_.shape().rank();
    const std::size_t per_line = std::max<std::size_t>(1, (kLineWidth - std::min(kLineWidth, indent)) / (width_ + 2));
    const std::string wrap = line_break(1, indent + 1);
    const std::string between = innermost ? ", " : line_break(tensor_.shape().rank() - axis - 1, indent + 1);
    std::string out = "[";
    std::size_t written = 0;
    const auto write = [&](const std::string& item) {
      out += written == 0 ? "" : innermost && written % per_line == 0 ? wrap : between;
      out += item;
      ++written;
    };
    for (std::int64_t i = 0; i < tensor_.shape()[axis]; ++i) {
      if (skips(axis, i)) {
        write(innermost ? " ..." : "...");
        i = tensor_.shape()[axis] - kEdge;
      }
      write(print(axis + 1, offset + i * strides_[axis], indent + 1));
    }
    return out + "]";
  }

 private:
  bool skips(std::size_t axis, std::int64_t i) const {
    return abridged_ && i == kEdge && tensor_.shape()[axis] > 2 * kEdge;
  }
  // Calls f with the offset of each element that is shown.
  template <class F>
  void for_shown(std::size_t axis, std::int64_t offset, const F& f) const {
    if (axis == tensor_.shape().rank()) {
      f(offset);
      return;
    }
    for (std::int64_t i = 0; i < tensor_.shape()[axis]; ++i) {
      if (skips(axis, i)) {
        i = tensor_.shape()[axis] - kEdge;
      }
      for_shown(axis + 1, offset + i * strides_[axis], f);
    }
  }
  double value(std::int64_t at) const {
    return tensor_.dtype() == kFloat32 ? static_cast<double>(tensor_.data<float>()[at]) : tensor_.data<double>()[at];
  }
  std::string text(std::int64_t at) const {
    switch (tensor_.dtype()) {
      case DType::int64:
        return std::to_string(tensor_.data<std::int64_t>()[at]);
      case DType::int32:
        return std::to_string(tensor_.data<std::int32_t>()[at]);
      case DType::uint8:
        return std::to_string(tensor_.data<std::uint8_t>()[at]);
      case DType::boolean:
        return tensor_.data<bool>()[at] ? "true" : "false";
      default:
        return format_.text(value(at));
    }
  }
  std::string padded(std::int64_t at) const {
    const std::string item = text(at);
    return std::string(width_ - std::min(width_, item.size()), ' ') + item;
  }

  const Tensor& tensor_;
  std::array<std::int64_t, Shape::kMaxDims> strides_;
  bool abridged_;
  Format format_;
  std::size_t width_ = 0;
};

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) {
    return "tensor(undefined)";
  }
  const std::string prefix = "tensor(";
  std::string out = prefix + (tensor.numel() == 0 ? "[]" : Printer(tensor).print(0, 0, prefix.size()));
  std::vector<std::string> notes;
  if (tensor.numel() == 0 && tensor.dim() != 1) {
    notes.push_back("size=" + to_string(tensor.shape()));
  }
  const bool shows_dtype = tensor.dtype() == kFloat32 || tensor.dtype() == kInt64 || tensor.dtype() == kBool;
  if (!shows_dtype || (tensor.numel() == 0 && tensor.dtype() != kFloat32)) {
    notes.push_back(std::string("dtype=") + dtype_name(tensor.dtype()));
  }
  if (tensor.requires_grad()) {
    notes.push_back(tensor.is_leaf() ? "requires_grad=true" : std::string("grad_fn=<") + tensor.node()->name() + ">");
  }
  std::size_t column = out.size() - (out.rfind('\n') == std::string::npos ? 0 : out.rfind('\n') + 1);
  for (const std::string& note : notes) {
    const bool fits = column + note.size() + 2 < kLineWidth;
    out += fits ? ", " : line_break(1, prefix.size());
    out += note;
    column = (fits ? column + 2 : prefix.size()) + note.size();
  }
  return out + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

}  // namespace normgrad
