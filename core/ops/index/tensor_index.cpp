#include <algorithm>
#include <span>
#include <string_view>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/detail/in_place.hpp"
#include "normgrad/core/ops/detail/index.hpp"
#include "normgrad/core/ops/detail/row_major.hpp"
#include "normgrad/core/ops/detail/window.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Slice::Slice(std::optional<std::int64_t> start, std::optional<std::int64_t> stop, std::optional<std::int64_t> step)
    : start_(start), stop_(stop), step_(step.value_or(1)) {
  require<ValueError>(step_ >= 1, "Slice: expected a step of at least 1 but got ", step_,
                      step_ < 0 ? "; flip() reverses an axis" : "");
}

TensorIndex::TensorIndex(bool mask) : kind_(Kind::tensor), tensor_(full({}, mask, {.dtype = kBool})) {}

TensorIndex::TensorIndex(const char* dots) : kind_(Kind::ellipsis) {
  require<ValueError>(dots != nullptr && std::string_view(dots) == "...",
                      "index: expected \"...\", a number, Slice, None or a tensor but got the text \"",
                      dots == nullptr ? "" : dots, "\"");
}

namespace {

using Kind = TensorIndex::Kind;
using Positions = std::vector<std::int64_t>;

// One axis of the result: the elements start, start + step, ... of axis `axis`, or a new axis (no axis, one element).
struct RangePart {
  std::optional<std::size_t> axis;
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t count = 1;
};

// An index tensor for one axis, its elements counted from the start.
struct TensorPart {
  std::optional<std::size_t> axis;  // none: a mask without axes, which only has a count
  Tensor index;
};

// A list of indices, applied to a shape.
class IndexPlan {
 public:
  IndexPlan(const char* where, const Shape& shape, const std::vector<TensorIndex>& indices)
      : where_(where), shape_(shape), strides_(strides_of(shape)) {
    const std::size_t dots = whole_axes(indices);
    bool any_dots = false;
    for (const TensorIndex& index : indices) {
      if (index.kind() == Kind::ellipsis) {
        any_dots = true;
        take_whole(dots);
      } else {
        take(index);
      }
    }
    take_whole(any_dots ? 0 : dots);
    meet();
  }

  // The shape of the result.
  const Shape& result() const noexcept { return result_; }
  bool has_tensors() const noexcept { return !tensors_.empty(); }

  // Without index tensors: the elements as a window of x.
  detail::Window window() const {
    detail::Window window(shape_);
    for (std::size_t i = 0; i < shape_.rank(); ++i) {
      window.start[i] = starts_[i];
      window.step[i] = steps_[i];
      window.shape[i] = counts_[i];
    }
    return window;
  }

  // The number of trailing elements that stay together: x and the result are rows of that length.
  std::int64_t row_length() const noexcept { return row_length_; }

  // The row of x behind each row of the result.
  Tensor rows() const {
    Positions rows{0};
    for (std::size_t i = 0; i < shape_.rank(); ++i) {
      if (is_position_[i]) {
        rows[0] += starts_[i] * strides_[i];
      }
    }
    for (const Positions& part : parts_) {
      Positions longer;
      longer.reserve(rows.size() * part.size());
      for (const std::int64_t row : rows) {
        for (const std::int64_t offset : part) {
          longer.push_back(row + offset);
        }
      }
      rows = std::move(longer);
    }
    for (std::int64_t& row : rows) {
      row /= row_length_;
    }
    return from_vector(rows, {static_cast<std::int64_t>(rows.size())});
  }

 private:
  // The number of axes that an ellipsis stands for.
  std::size_t whole_axes(const std::vector<TensorIndex>& indices) const {
    std::size_t used = 0;
    std::size_t dots = 0;
    for (const TensorIndex& index : indices) {
      const Tensor& tensor = index.tensor();
      if (index.kind() == Kind::tensor) {
        require<ValueError>(tensor.defined(), where_, ": expected an index tensor but got an undefined one");
        require<DTypeError>(tensor.dtype() == kInt64 || tensor.dtype() == kInt32 || tensor.dtype() == kBool, where_,
                            ": expected an int64, int32 or bool index but got ", tensor.dtype(),
                            "; convert it with to(kInt64)",
                            tensor.dtype() == kUInt8 ? ", or a mask with to(kBool)" : "");
        used += tensor.dtype() == kBool ? tensor.shape().rank() : 1;
      } else if (index.kind() == Kind::ellipsis) {
        ++dots;
      } else if (index.kind() != Kind::new_axis) {
        ++used;
      }
    }
    require<ValueError>(dots <= 1, where_, ": expected at most one ellipsis but got ", dots);
    require<IndexError>(used <= shape_.rank(), where_, ": expected at most ", shape_.rank(), " indices for ", shape_,
                        " but got ", used);
    return shape_.rank() - used;
  }

  void take_whole(std::size_t axes) {
    for (std::size_t i = 0; i < axes; ++i) {
      take_range(0, 1, shape_[axis_]);
    }
  }

  void take_range(std::int64_t start, std::int64_t step, std::int64_t count) {
    note_axis(start, step, count, false);
    order_.push_back(ranges_.size());
    ranges_.push_back({axis_, start, step, count});
    ++axis_;
  }

  void take_position(std::int64_t position) {
    const std::int64_t size = shape_[axis_];
    require<IndexError>(position >= -size && position < size, where_, ": expected an index in [", -size, ", ", size,
                        ") for axis ", axis_, " of ", shape_, " but got ", position);
    note_axis(position < 0 ? position + size : position, 1, 1, true);
    ++axis_;
  }

  void note_axis(std::int64_t start, std::int64_t step, std::int64_t count, bool is_position) {
    starts_[axis_] = count == 0 ? 0 : start;
    steps_[axis_] = step;
    counts_[axis_] = count;
    is_position_[axis_] = is_position;
  }

  void take(const TensorIndex& index) {
    const Tensor& tensor = index.tensor();
    if (index.kind() == Kind::new_axis) {
      order_.push_back(ranges_.size());
      ranges_.push_back({});
    } else if (index.kind() == Kind::position) {
      take_position(index.position());
    } else if (index.kind() == Kind::slice) {
      const Slice& slice = index.slice();
      const std::int64_t size = shape_[axis_];
      const auto bound = [size](std::int64_t p) { return std::clamp<std::int64_t>(p < 0 ? p + size : p, 0, size); };
      const std::int64_t first = bound(slice.start().value_or(0));
      const std::int64_t last = std::max(first, bound(slice.stop().value_or(size)));
      const std::int64_t count = last == first ? 0 : (last - first - 1) / slice.step() + 1;
      take_range(first, count > 1 ? slice.step() : 1, count);
    } else if (tensor.dtype() == kBool) {
      take_mask(tensor);
    } else if (tensor.dim() == 0) {
      take_position(tensor.item<std::int64_t>());
    } else {
      add_tensor(axis_, detail::wrapped_index(where_, tensor, shape_[axis_],
                                              detail::concat(" for axis ", axis_, " of ", shape_)));
      note_axis(0, 1, 1, false);
      ++axis_;
    }
  }

  void add_tensor(std::optional<std::size_t> axis, const Tensor& index) {
    order_.push_back(kTensor);
    tensors_.push_back({axis, index});
  }

  // A mask stands for one index tensor per axis: the positions where it is true.
  void take_mask(const Tensor& mask) {
    const std::size_t axes = mask.shape().rank();
    const Shape part(std::span(shape_.begin() + axis_, axes));
    require<ShapeError>(mask.shape() == part, where_, ": expected a mask of shape ", part, ", that of axes ", axis_,
                        " to ", axis_ + axes - 1, " of ", shape_, ", but got ", mask.shape());
    Positions found;
    const bool* at = mask.data<bool>();
    for (std::int64_t i = 0; i < mask.numel(); ++i) {
      if (at[i]) {
        found.push_back(i);
      }
    }
    const auto n = static_cast<std::int64_t>(found.size());
    if (axes == 0) {
      add_tensor({}, zeros({n}, {.dtype = kInt64}));
    }
    const auto strides = strides_of(part);
    for (std::size_t i = 0; i < axes; ++i) {
      Positions along(found.size());
      std::transform(found.begin(), found.end(), along.begin(),
                     [&](std::int64_t flat) { return flat / strides[i] % part[i]; });
      add_tensor(axis_, from_vector(along, {n}));
      note_axis(0, 1, 1, false);
      ++axis_;
    }
  }

  Positions offsets(const RangePart& range) const {
    Positions offsets(static_cast<std::size_t>(range.count), 0);
    for (std::size_t i = 0; range.axis && i < offsets.size(); ++i) {
      offsets[i] = (range.start + static_cast<std::int64_t>(i) * range.step) * strides_[*range.axis];
    }
    return offsets;
  }

  // Broadcasts the index tensors, places their axes, and joins the trailing axes that stay whole to rows.
  void meet() {
    Shape common;
    for (const TensorPart& tensor : tensors_) {
      common = broadcast_shapes(where_, common, tensor.index.shape());
    }
    Positions together(static_cast<std::size_t>(tensors_.empty() ? 0 : common.numel()), 0);
    for (const TensorPart& tensor : tensors_) {
      const Tensor wide = expand_to(tensor.index, common);
      const std::int64_t stride = tensor.axis ? strides_[*tensor.axis] : 0;
      std::transform(together.begin(), together.end(), wide.data<std::int64_t>(), together.begin(),
                     [stride](std::int64_t sum, std::int64_t i) { return sum + i * stride; });
    }
    const auto first = std::find(order_.begin(), order_.end(), kTensor);
    const auto last = std::find(order_.rbegin(), order_.rend(), kTensor).base();
    const bool neighbors = std::all_of(first, last, [](std::size_t entry) { return entry == kTensor; });
    const auto put_tensors = [&] {
      for (const std::int64_t size : common) {
        result_.push_back(size);
      }
      parts_.push_back(together);
    };
    if (has_tensors() && !neighbors) {
      put_tensors();
    }
    std::size_t rest = order_.size();  // the entries before the trailing whole axes
    while (rest > 0 && order_[rest - 1] != kTensor && joins(ranges_[order_[rest - 1]])) {
      row_length_ *= ranges_[order_[--rest]].count;
    }
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (order_[i] != kTensor) {
        result_.push_back(ranges_[order_[i]].count);
        if (i < rest) {
          parts_.push_back(offsets(ranges_[order_[i]]));
        }
      } else if (neighbors && order_.begin() + static_cast<std::ptrdiff_t>(i) == first) {
        put_tensors();
      }
    }
  }

  // Whether an axis of the result extends the rows joined so far.
  bool joins(const RangePart& range) const {
    return !range.axis ||
           (range.count > 0 && range.count == shape_[*range.axis] && strides_[*range.axis] == row_length_);
  }

  static constexpr std::size_t kTensor = ~std::size_t{0};  // in order_: one of the index tensors

  const char* where_;
  Shape shape_;
  std::array<std::int64_t, Shape::kMaxDims> strides_;
  std::size_t axis_ = 0;  // the next axis to index
  std::array<std::int64_t, Shape::kMaxDims> starts_{};
  std::array<std::int64_t, Shape::kMaxDims> steps_{};
  std::array<std::int64_t, Shape::kMaxDims> counts_{};
  std::array<bool, Shape::kMaxDims> is_position_{};
  std::vector<std::size_t> order_;  // an index of ranges_, or kTensor
  std::vector<RangePart> ranges_;
  std::vector<TensorPart> tensors_;
  Shape result_;
  std::vector<Positions> parts_;  // offsets in x, outermost first
  std::int64_t row_length_ = 1;
};

Shape as_rows(std::int64_t elements, std::int64_t length) { return {elements / length, length}; }

Tensor checked_values(const char* where, const Tensor& x, const Tensor& values, const Shape& shape) {
  require<DTypeError>(values.dtype() == x.dtype(), where, ": expected values of dtype ", x.dtype(), " but got ",
                      values.dtype());
  bool fits = values.shape().rank() <= shape.rank();
  for (std::size_t i = 0; fits && i < values.shape().rank(); ++i) {
    const std::int64_t size = values.shape()[values.shape().rank() - 1 - i];
    fits = size == 1 || size == shape[shape.rank() - 1 - i];
  }
  require<ShapeError>(fits, where, ": expected values that broadcast to the selected ", shape, " but got ",
                      values.shape());
  return values.shape() == shape ? values : expand_to(values, shape);
}

}  // namespace

const Tensor index(const Tensor& x, const std::vector<TensorIndex>& indices) {
  const IndexPlan plan("index", x.shape(), indices);
  if (!plan.has_tensors()) {
    return reshape_to(detail::take_window("index", x, plan.window()), plan.result());
  }
  const Tensor rows = reshape_to(x, as_rows(x.numel(), plan.row_length()));
  return reshape_to(index_select(rows, 0, plan.rows()), plan.result());
}

Tensor index_put(const Tensor& x, const std::vector<TensorIndex>& indices, const Tensor& values, bool accumulate) {
  const IndexPlan plan("index_put", x.shape(), indices);
  const Tensor wide = checked_values("index_put", x, values, plan.result());
  const Tensor rows = plan.rows();
  const Shape shape = as_rows(x.numel(), plan.row_length());
  const Tensor put = reshape_to(wide, {rows.numel(), shape[1]});
  if (accumulate) {
    return add(x, reshape_to(detail::add_rows(shape, 0, rows, put), x.shape()));
  }
  // A row of the result is a row of x or the last one put there: one selection from both, whose gradient is exact.
  Tensor source = arange(shape[0]);
  auto* from = source.mutable_data<std::int64_t>();
  const auto* row = rows.data<std::int64_t>();
  for (std::int64_t i = 0; i < rows.numel(); ++i) {
    from[row[i]] = shape[0] + i;
  }
  return reshape_to(index_select(cat({reshape_to(x, shape), put}), 0, source), x.shape());
}

Tensor index_put(const Tensor& x, const std::vector<TensorIndex>& indices, Scalar value, bool accumulate) {
  return index_put(x, indices, full({}, value, {.dtype = x.dtype()}), accumulate);
}

Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, const Tensor& values, bool accumulate) & {
  if (detail::is_recorded_change("index_put_", *this, &values)) {
    detail::become(*this, normgrad::index_put(*this, indices, values, accumulate));
    return *this;
  }
  const IndexPlan plan("index_put_", shape(), indices);
  const NoGradGuard no_grad;
  Tensor wide = checked_values("index_put_", *this, values, plan.result());
  const auto bytes = [](const Tensor& x) { return static_cast<std::size_t>(x.numel()) * dtype_size(x.dtype()); };
  if (detail::overlap(detail::row_major_bytes(wide), bytes(wide), detail::row_major_bytes(*this), bytes(*this))) {
    wide = wide.clone();  // x may be among the values
  }
  const Tensor rows = plan.rows();
  const kernels::IndexShape geometry{1, numel() / plan.row_length(), plan.row_length(), rows.numel()};
  require<DTypeError>(!accumulate || dtype() != kBool,
                      "index_put_: expected a tensor of numbers to accumulate but got bool");
  if (accumulate && is_integer(dtype()) && dtype() != kInt64) {
    return copy_(detail::widened(*this).index_put_(indices, detail::widened(values), true));
  }
  dispatch_all(dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, std::int64_t>) {
      if (accumulate) {
        kernels::index_add(geometry, wide.data<T>(), rows.data<std::int64_t>(), mutable_data<T>());
        return;
      }
    }
    kernels::index_copy(geometry, detail::row_major_bytes(wide), rows.data<std::int64_t>(), mutable_data<T>(),
                        sizeof(T));
  });
  return *this;
}

Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, Scalar value, bool accumulate) & {
  return index_put_(indices, full({}, value, {.dtype = dtype()}), accumulate);
}

}  // namespace normgrad
