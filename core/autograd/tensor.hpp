// Tensor: a handle to an n-dimensional array that supports reverse-mode differentiation.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/tensor_methods.hpp"
#include "normgrad/core/autograd/tensor_options.hpp"
#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/dtype.hpp"
#include "normgrad/core/base/intrusive_ptr.hpp"
#include "normgrad/core/base/scalar.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad {

class Node;
namespace detail {
class SharedGraph;
}
using NodePtr = IntrusivePtr<Node>;  ///< shared ownership of a node

/// How an array came from another one.
enum class PartKind : std::uint8_t {
  none,               ///< it has memory of its own
  shared,             ///< it shares memory with the other
  shared_unrecorded,  ///< the same, with one that requires gradients, by an operation that was not recorded
  copied,             ///< it is a copy of a part, where PyTorch has a view
  shared_temporarily  ///< it shares memory with a temporary that nothing else shares
};

class TensorImpl;

/// A handle to an array: copies refer to the same array. Elements are contiguous and indexed in row-major order.
///
/// These share memory with their source, so that each sees the in-place changes of the other: x[i]; along axis 0
/// select(), narrow(), slice() with a step of 1, split(), chunk() and unbind(); reshape(), view(), flatten(),
/// squeeze(), unsqueeze() and detach(). All other operations create new arrays.
///
/// Any number of threads may read and compute with the same tensor at the same time. Changing it in place, giving it
/// other data, or running a backward that adds to its grad() requires exclusive access (docs/threads_and_processes.md).
///
/// Methods that compute, here and in TensorMethods, are shorthand for the functions of the same name in core/ops; see
/// there for shapes and errors.
class Tensor : public TensorMethods {
 public:
  /// Constructs the undefined tensor: no shape, no elements, and `defined()` is false.
  Tensor() noexcept = default;
  Tensor(const Tensor& other) noexcept = default;
  Tensor(Tensor&& other) noexcept = default;
  ~Tensor() = default;
  /// Makes a variable refer to another array.
  Tensor& operator=(const Tensor& other) & noexcept = default;
  Tensor& operator=(Tensor&& other) & noexcept = default;
  /// `x[i] = y` is `x[i].copy_(y)`, and with a number `x[i].fill_(number)`; likewise for other temporaries that share
  /// memory, such as x.split(2)[0]. Throws ValueError for those that do not, such as relu(x), because the value would
  /// be lost.
  Tensor& operator=(const Tensor& values) &&;
  Tensor& operator=(Scalar value) &&;
  void operator=(const Tensor&) const& = delete;  // parts of a const tensor are const
  /// Returns a new array with uninitialized contents.
  static Tensor empty(const Shape& shape, DType dtype = kFloat32);
  /// Returns a tensor over an existing buffer. Throws ValueError if the buffer is too small for the shape.
  static Tensor from_buffer(Buffer buffer, const Shape& shape, DType dtype);

  bool defined() const noexcept { return static_cast<bool>(impl_); }  ///< false for the undefined tensor
  const Shape& shape() const;                                         ///< sizes, outermost first
  /// Size of one axis; negative axes count from the end.
  std::int64_t size(std::int64_t axis) const { return shape().at(axis); }
  /// Number of axes.
  std::int64_t dim() const { return shape().dim(); }
  /// The sizes of all axes: `auto [n, c] = x.sizes<2>()`. Throws ShapeError unless there are N axes.
  template <std::size_t N>
  std::array<std::int64_t, N> sizes() const {
    return shape().template sizes<N>();
  }
  std::int64_t numel() const;
  DType dtype() const;

  /// Returns the elements in row-major order. Throws DTypeError if T does not match the dtype.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(data_checked(dtype_of<T>));
  }
  /// Returns the elements for writing. Counts as a change in place (see version()).
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(mutable_data_checked(dtype_of<T>));
  }
  /// Returns the only element as a double. Throws ShapeError unless there is exactly one.
  double item() const;
  /// Returns the only element as a T. item<std::int64_t>() is exact for an int64 tensor and truncates for a
  /// floating-point one. Throws ValueError if an integer type T cannot represent the number.
  template <class T>
  T item() const {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const std::int64_t whole = whole_item();
      check_item_fits(static_cast<std::int64_t>(static_cast<T>(whole)) == whole &&
                      (whole < 0) == (static_cast<T>(whole) < T{}));
      return static_cast<T>(whole);
    } else {
      return static_cast<T>(item());
    }
  }
  /// Returns all elements in row-major order, converted to T: float, double, std::int64_t, std::int32_t, std::uint8_t
  /// or bool. Throws ValueError if T is an integer type and one does not fit.
  template <class T>
  std::vector<T> to_vector() const;

  // --- autograd

  bool requires_grad() const noexcept;
  /// Makes a leaf require gradients (or not). Throws GraphError when switched off for the result of a recorded
  /// operation, and DTypeError for tensors that are not floating point.
  Tensor& requires_grad_(bool requires_grad = true);
  Tensor& requires_grad_(const void*) = delete;  // a string literal would count as true
  /// Returns true unless the tensor is the result of a recorded operation.
  bool is_leaf() const noexcept;
  /// Returns the accumulated gradient, or an undefined tensor if there is none.
  Tensor grad() const;
  /// Replaces the gradient (undefined: removes it). Throws GraphError if shape or dtype differ from the tensor's.
  void set_grad(const Tensor& grad);
  /// Makes backward() also keep the gradient of a result.
  void retain_grad();
  /// Accumulates d(this)/d(leaf) into the `grad()` of every leaf that requires gradients. `gradient` is the gradient of
  /// the final quantity with respect to this tensor and has its shape; it defaults to 1 for a tensor of one element.
  void backward(const Tensor& gradient = {}, BackwardOptions options = {}) const;
  HookHandle register_hook(GradHook hook) const;
  /// Returns the same elements outside of any graph; shares memory.
  Tensor detach() const&;
  Tensor detach() && { return of_temporary(detach()); }
  /// Returns a number that changes with every in-place change of the memory and with set_data().
  std::uint64_t version() const noexcept;

  // --- in place (core/ops/elementwise/inplace.cpp): recorded like other operations if the tensor or an operand
  //     requires gradients. The result then takes the place of the value of this tensor and of all that share its
  //     memory as parts along axis 0 or in another shape. Throws GraphError for leaves that require gradients and their
  //     parts, except under NoGradGuard. An operand broadcasts to the tensor, and may overlap it. The forms for
  //     temporaries throw ValueError for a copy of a part (x.narrow(1, 0, 2).zero_()), whose change would be lost.

  Tensor& copy_(const Tensor& source) &;
  Tensor& fill_(Scalar value) &;
  Tensor& zero_() &;
  Tensor& add_(const Tensor& other, Scalar alpha = 1) &;
  Tensor& add_(Scalar number) &;
  Tensor& sub_(const Tensor& other, Scalar alpha = 1) &;
  Tensor& sub_(Scalar number) &;
  Tensor& mul_(const Tensor& other) &;
  Tensor& mul_(Scalar factor) &;
  Tensor& div_(const Tensor& divisor) &;
  Tensor& div_(Scalar divisor) &;
  Tensor& masked_fill_(const Tensor& mask, Scalar value) &;
  Tensor& masked_fill_(const Tensor& mask, const Tensor& value) &;
  /// x[indices] = values, or += if `accumulate`: see core/ops/index/index.hpp.
  Tensor& index_put_(const std::vector<TensorIndex>& indices, const Tensor& values, bool accumulate = false) &;
  Tensor& index_put_(const std::vector<TensorIndex>& indices, Scalar value, bool accumulate = false) &;
  Tensor copy_(const Tensor& source) && { return lasting("copy_").copy_(source); }
  Tensor fill_(Scalar value) && { return lasting("fill_").fill_(value); }
  Tensor zero_() && { return lasting("zero_").zero_(); }
  Tensor add_(const Tensor& other, Scalar alpha = 1) && { return lasting("add_").add_(other, alpha); }
  Tensor sub_(const Tensor& other, Scalar alpha = 1) && { return lasting("sub_").sub_(other, alpha); }
  Tensor add_(Scalar number) && { return lasting("add_").add_(number); }
  Tensor sub_(Scalar number) && { return lasting("sub_").sub_(number); }
  Tensor mul_(const Tensor& other) && { return lasting("mul_").mul_(other); }
  Tensor mul_(Scalar factor) && { return lasting("mul_").mul_(factor); }
  Tensor div_(const Tensor& divisor) && { return lasting("div_").div_(divisor); }
  Tensor div_(Scalar divisor) && { return lasting("div_").div_(divisor); }
  template <class Value>
  Tensor masked_fill_(const Tensor& mask, const Value& value) && {
    return lasting("masked_fill_").masked_fill_(mask, value);
  }
  template <class Values>
  Tensor index_put_(const std::vector<TensorIndex>& indices, const Values& values, bool accumulate = false) && {
    return lasting("index_put_").index_put_(indices, values, accumulate);
  }
  /// x += y is x.add_(y), and so on; y is a tensor or a number.
  template <class Y>
  Tensor& operator+=(const Y& y) & {
    return add_(y);
  }
  template <class Y>
  Tensor& operator-=(const Y& y) & {
    return sub_(y);
  }
  template <class Y>
  Tensor& operator*=(const Y& y) & {
    return mul_(y);
  }
  template <class Y>
  Tensor& operator/=(const Y& y) & {
    return div_(y);
  }
  template <class Y>
  Tensor operator+=(const Y& y) && {
    return lasting("+=").add_(y);
  }
  template <class Y>
  Tensor operator-=(const Y& y) && {
    return lasting("-=").sub_(y);
  }
  template <class Y>
  Tensor operator*=(const Y& y) && {
    return lasting("*=").mul_(y);
  }
  template <class Y>
  Tensor operator/=(const Y& y) && {
    return lasting("/=").div_(y);
  }
  /// Makes this tensor refer to the elements, shape and dtype of another one (memory is shared). All handles to this
  /// tensor see the change. Used to convert or load parameters.
  void set_data(const Tensor& source);

  // --- differentiable, defined with their operations in core/ops

  Tensor clone() const;
  Tensor to(DType dtype) const;
  Tensor reshape(const std::vector<std::int64_t>& shape) const&;
  Tensor view(const std::vector<std::int64_t>& shape) const&;
  template <std::same_as<Shape> S>
  Tensor reshape(const S& shape) const& {  ///< x.reshape(y.shape())
    return reshape(shape.to_vector());
  }
  template <std::same_as<Shape> S>
  Tensor view(const S& shape) const& {  ///< x.view(y.shape())
    return view(shape.to_vector());
  }
  Tensor flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const&;
  Tensor squeeze(Axes axes = {}) const&;
  Tensor unsqueeze(std::int64_t axis) const&;
  Tensor unsqueeze(const std::vector<std::int64_t>& axes) const&;
  // These create new arrays, whereas PyTorch returns views. They return const so that `x.t().fill_(1)`, whose effect
  // would be lost, does not compile.
  const Tensor permute(const std::vector<std::int64_t>& axes) const;
  const Tensor transpose(std::int64_t axis0, std::int64_t axis1) const;
  const Tensor t() const;
  const Tensor expand(const std::vector<std::int64_t>& shape) const;
  template <std::same_as<Shape> S>
  const Tensor expand(const S& shape) const {  ///< x.expand(y.shape())
    return expand(shape.to_vector());
  }
  // These share memory along axis 0 (slice(): with a step of 1), and copy along others. Parts of a const tensor are
  // const.
  Tensor narrow(std::int64_t axis, std::int64_t start, std::int64_t length) &;
  Tensor slice(std::int64_t axis, std::optional<std::int64_t> start = {}, std::optional<std::int64_t> end = {},
               std::int64_t step = 1) &;
  Tensor select(std::int64_t axis, std::int64_t index) &;
  Tensor operator[](std::int64_t index) & { return select(0, index); }
  const Tensor narrow(std::int64_t axis, std::int64_t start, std::int64_t length) const&;
  const Tensor slice(std::int64_t axis, std::optional<std::int64_t> start = {}, std::optional<std::int64_t> end = {},
                     std::int64_t step = 1) const&;
  const Tensor select(std::int64_t axis, std::int64_t index) const&;
  const Tensor operator[](std::int64_t index) const& { return select(0, index); }
  // Of a temporary: the same, except that a part of a copy cannot be changed either (x.select(1, 0)[0] = 1).
  Tensor reshape(const std::vector<std::int64_t>& shape) && { return of_temporary(reshape(shape)); }
  Tensor view(const std::vector<std::int64_t>& shape) && { return of_temporary(view(shape)); }
  template <std::same_as<Shape> S>
  Tensor reshape(const S& shape) && {
    return of_temporary(reshape(shape));
  }
  template <std::same_as<Shape> S>
  Tensor view(const S& shape) && {
    return of_temporary(view(shape));
  }
  Tensor flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) && {
    return of_temporary(flatten(start_dim, end_dim));
  }
  Tensor squeeze(Axes axes = {}) && { return of_temporary(squeeze(std::move(axes))); }
  Tensor unsqueeze(std::int64_t axis) && { return of_temporary(unsqueeze(axis)); }
  Tensor unsqueeze(const std::vector<std::int64_t>& axes) && { return of_temporary(unsqueeze(axes)); }
  Tensor narrow(std::int64_t axis, std::int64_t start, std::int64_t length) && {
    return of_temporary(narrow(axis, start, length));
  }
  Tensor slice(std::int64_t axis, std::optional<std::int64_t> start = {}, std::optional<std::int64_t> end = {},
               std::int64_t step = 1) && {
    return of_temporary(slice(axis, start, end, step));
  }
  Tensor select(std::int64_t axis, std::int64_t index) && { return of_temporary(select(axis, index)); }
  Tensor operator[](std::int64_t index) && { return of_temporary(select(0, index)); }

  // --- for authors of operations

  /// The node that produced this tensor or collects its gradient; null if it requires none.
  const NodePtr& node() const noexcept;
  void set_node(NodePtr node);
  /// Returns a tensor over the same memory with another shape of equal numel, outside of any graph.
  Tensor alias(const Shape& shape) const;
  /// Returns a tensor over the memory of x[start:start + length], a valid range, outside of any graph.
  Tensor alias_rows(std::int64_t start, std::int64_t length) const;
  /// How this tensor came from another one, which decides who may change it in place.
  PartKind part_kind() const;
  void set_part_kind(PartKind kind);
  /// Makes this new tensor, the recorded result of an operation that shares the memory of x, a part of x from its
  /// element `first` on, in row-major order: recorded in-place changes of either also change the node of the other.
  void set_part_of(const Tensor& x, std::int64_t first);
  /// Returns whether recorded in-place changes also change the value of a larger tensor: see set_part_of().
  bool is_recorded_part() const noexcept;
  /// Returns whether that larger tensor is a leaf that requires gradients.
  bool is_part_of_leaf() const noexcept;
  /// Makes `node` the one of the elements that an in-place change has just written.
  void set_written(NodePtr node);
  /// Returns another tensor with the same elements, memory and node, whose node no later in-place change replaces.
  Tensor snapshot() const;
  const Buffer& buffer() const;
  /// Returns whether the elements of [N, C, ...] are stored as [N, ..., C]; see ChannelsLast. For operations that can
  /// use this layout.
  bool is_channels_last() const noexcept;
  /// Returns a new array of at least 3 axes with uninitialized contents, channels-last where that differs from
  /// row-major.
  static Tensor empty_channels_last(const Shape& shape, DType dtype);
  /// Returns the same elements in channels-last memory, outside of any graph. Shares memory if they already are
  /// channels-last (or if both orders are the same). This tensor, its layout, pointers and views stay unchanged.
  Tensor as_channels_last() const;
  /// Returns this tensor, with the same node, over row-major memory. Returns itself if its memory is row-major;
  /// otherwise a copy that is made once, stored beside this tensor's memory, and shares later in-place changes with it.
  /// This is the memory that data() reads.
  Tensor row_major() const;
  /// Returns whether in-place changes may be written to the physical memory: false for channels-last memory with a
  /// row-major copy beside it. mutable_data() is always correct.
  bool is_physically_writable() const noexcept;
  /// Returns the elements in physical order.
  template <class T>
  const T* physical_data() const {
    return static_cast<const T*>(physical_data_checked(dtype_of<T>));
  }
  template <class T>
  T* mutable_physical_data() {
    return static_cast<T*>(mutable_physical_data_checked(dtype_of<T>));
  }
  /// Returns whether no other handle shares the memory.
  bool is_sole_owner() const noexcept;
  friend bool is_same(const Tensor& a, const Tensor& b) noexcept { return a.impl_ == b.impl_; }

 private:
  explicit Tensor(IntrusivePtr<TensorImpl> impl) noexcept : impl_(std::move(impl)) {}
  TensorImpl& impl() const;
  std::int64_t whole_item() const;
  void check_item_fits(bool fits) const;
  Tensor& lasting(const char* name);       // this temporary, unless a change of it would be lost
  Tensor of_temporary(Tensor part) const;  // part, a part of this temporary
  void check_assignment(const Tensor* values) const;
  const void* data_checked(DType dtype) const;
  const void* physical_data_checked(DType dtype) const;
  void* mutable_data_checked(DType dtype);
  void* mutable_physical_data_checked(DType dtype);
  Buffer row_major_buffer() const;

  IntrusivePtr<TensorImpl> impl_;
};

/// The array that a Tensor refers to.
class TensorImpl : public RefCounted {
 public:
  static void destroy(TensorImpl* impl) noexcept { delete impl; }  ///< called when the last handle is destroyed

  Shape shape;                     ///< of the array
  DType dtype = kFloat32;          ///< of the elements
  PartKind part = PartKind::none;  ///< how it was made
  std::uint32_t data_changes = 0;  ///< calls of set_data()
  Buffer buffer;                   ///< the values
  NodePtr node;                    ///< the node that produced the values, if gradients are required

  /// The graph of this memory and its parts, owned; null for tensors without parts. Made by a reader, so atomic.
  std::atomic<detail::SharedGraph*> graph{nullptr};
  std::atomic<std::uint64_t> seen{0};  ///< the state of the graph for which `node` is valid
  std::int64_t first = -1;             ///< of a part: its first element in the whole

  TensorImpl();
  ~TensorImpl();
};

/// A vector of tensors. An element of a temporary is a temporary, too: `x.split(2)[0] = y` writes into x, instead of
/// replacing an element of a vector that nobody keeps.
class TensorList : public std::vector<Tensor> {
 public:
  using std::vector<Tensor>::vector;
  /// Takes the tensors of a vector.
  TensorList(std::vector<Tensor> tensors) noexcept  // NOLINT(google-explicit-constructor)
      : std::vector<Tensor>(std::move(tensors)) {}

  Tensor& operator[](std::size_t i) & { return std::vector<Tensor>::operator[](i); }
  const Tensor& operator[](std::size_t i) const& { return std::vector<Tensor>::operator[](i); }
  Tensor operator[](std::size_t i) && { return std::vector<Tensor>::operator[](i); }
  /// Throws std::out_of_range.
  Tensor& at(std::size_t i) & { return std::vector<Tensor>::at(i); }
  const Tensor& at(std::size_t i) const& { return std::vector<Tensor>::at(i); }
  Tensor at(std::size_t i) && { return std::vector<Tensor>::at(i); }
  /// The first tensor, and the last one.
  Tensor& front() & { return std::vector<Tensor>::front(); }
  const Tensor& front() const& { return std::vector<Tensor>::front(); }
  Tensor front() && { return std::vector<Tensor>::front(); }
  Tensor& back() & { return std::vector<Tensor>::back(); }
  const Tensor& back() const& { return std::vector<Tensor>::back(); }
  Tensor back() && { return std::vector<Tensor>::back(); }
};

/// Prints the elements as PyTorch does: 4 digits; scientific notation when their range requires it; the dtype when the
/// elements do not show it; "requires_grad=true" or the operation's name. Long axes of tensors with more than 1000
/// elements are abridged.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
std::string to_string(const Tensor& tensor);

}  // namespace normgrad
