// Tensor: a cheap handle to an n-dimensional array that may take part in reverse-mode differentiation.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/core/base/buffer.hpp"
#include "normgrad/core/base/dtype.hpp"
#include "normgrad/core/base/intrusive_ptr.hpp"
#include "normgrad/core/base/scalar.hpp"
#include "normgrad/core/base/shape.hpp"

namespace normgrad {

class Node;
class Tensor;
using NodePtr = IntrusivePtr<Node>;  ///< shared ownership of a node

/// What a new tensor is made of.
struct TensorOptions {
  DType dtype = kFloat32;      ///< of the elements
  bool requires_grad = false;  ///< record what is done with it
};

/// Options of Tensor::backward().
struct BackwardOptions {
  /// Keep the graph for another backward; a graph is otherwise freed as the backward passes.
  bool retain_graph = false;
  /// Record the backward itself, so that the gradients can be differentiated; keeps the graph too. The `grad()` of a
  /// leaf then holds the graph that holds the leaf: set_grad({}) ends that. Gradients from grad() have no such cycle.
  bool create_graph = false;
};

/// Called with a gradient on its way; returns what shall go on instead, or an undefined Tensor to leave it. It must not
/// change the gradient in place (others may hold it): a GraphError says so. A hook that is added while hooks of the
/// tensor run counts from its next gradient on; one that is removed meanwhile is not called.
using GradHook = std::function<Tensor(const Tensor& grad)>;
/// Hooks with their numbers, in the order in which they are called.
using GradHooks = std::vector<std::pair<std::uint64_t, GradHook>>;

/// Takes a hook off again. Does nothing once the tensor's graph is gone.
class HookHandle {
 public:
  HookHandle() = default;
  /// Made by register_hook().
  HookHandle(std::weak_ptr<GradHooks> hooks, std::uint64_t id);
  void remove();  ///< does nothing the second time

 private:
  std::weak_ptr<GradHooks> hooks_;  // does not keep the graph alive
  std::uint64_t id_ = 0;
};

class TensorImpl;

/// A handle: copies refer to the same array. Elements lie densely in row-major order; tensors made by reshape(),
/// view(), flatten(), squeeze(), unsqueeze() and detach() share memory with their source, all other operations make new
/// arrays.
///
/// Any number of threads may read one tensor, and compute with it, at the same time; who changes it in place, gives it
/// other data or runs a backward that adds to its grad() must be alone (docs/threads_and_processes.md).
///
/// Methods that compute are short forms of the functions of the same name in core/ops; see there for shapes and errors.
class Tensor {
 public:
  /// The undefined tensor: has no shape or elements, `defined()` is false.
  Tensor() noexcept = default;
  Tensor(const Tensor& other) noexcept = default;
  Tensor(Tensor&& other) noexcept = default;
  ~Tensor() = default;
  // Only variables can be assigned to: in `x[0] = y`, or `x.grad() = y`, nothing would keep what is assigned.
  Tensor& operator=(const Tensor& other) & noexcept = default;
  Tensor& operator=(Tensor&& other) & noexcept = default;
  void operator=(const Tensor&) const& = delete;  // instead of x[i] = y: x = select_scatter(x, y, 0, i), or x.copy_()
  /// A new array with undefined contents.
  static Tensor empty(const Shape& shape, DType dtype = kFloat32);
  /// A tensor over a given buffer of at least numel elements.
  static Tensor from_buffer(Buffer buffer, const Shape& shape, DType dtype);

  bool defined() const noexcept { return static_cast<bool>(impl_); }  ///< false for the undefined tensor
  const Shape& shape() const;                                         ///< sizes, outermost first
  /// Size of one axis, negative counted from the end.
  std::int64_t size(std::int64_t axis) const { return shape().at(axis); }
  /// Number of axes.
  std::int64_t dim() const { return shape().dim(); }
  std::int64_t numel() const;
  DType dtype() const;

  /// Elements in row-major order; throws DTypeError when T is not the dtype's type.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(data_checked(dtype_of<T>));
  }
  /// The same, to be written: counts as a change in place (see version()).
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(mutable_data_checked(dtype_of<T>));
  }
  /// The only element as a double; throws ShapeError unless there is exactly one.
  double item() const;
  /// The same as a T. item<std::int64_t>() of an int64 tensor is exact; of a float32 or float64 one it leaves the
  /// fraction out. Throws ValueError when an integer type T does not hold the number.
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
  /// All elements in row-major order, converted; throws ValueError when T is std::int64_t and one does not fit.
  template <class T>
  std::vector<T> to_vector() const;

  // --- autograd

  bool requires_grad() const noexcept;
  /// Makes a leaf require gradients (or not); throws GraphError on a result of a recorded operation, DTypeError on
  /// tensors that are not floating point.
  Tensor& requires_grad_(bool requires_grad = true);
  Tensor& requires_grad_(const void*) = delete;  // a text would count as true
  /// True unless the tensor is the result of a recorded operation.
  bool is_leaf() const noexcept;
  /// The accumulated gradient, undefined when there is none.
  Tensor grad() const;
  /// Replaces the gradient (undefined: removes it); throws GraphError when shape or dtype differ from the tensor's.
  void set_grad(const Tensor& grad);
  /// Makes backward() keep the gradient of a result, too.
  void retain_grad();
  /// Accumulates d(this)/d(leaf) into the `grad()` of every leaf that requires gradients. `gradient` is the gradient of
  /// the final quantity with respect to this tensor, of its shape; it may be left out for one element (then 1).
  void backward(const Tensor& gradient = {}, BackwardOptions options = {}) const;
  HookHandle register_hook(GradHook hook) const;
  /// The same elements, outside of any graph; shares memory.
  Tensor detach() const;
  /// Changes with every change in place of the memory, and with set_data().
  std::uint64_t version() const noexcept;

  // --- in place (core/ops/inplace.hpp): not recorded; throws GraphError on tensors that require gradients, except
  //     under NoGradGuard

  Tensor& copy_(const Tensor& source);
  Tensor& fill_(Scalar value);
  Tensor& zero_();
  Tensor& add_(const Tensor& other, Scalar alpha = 1);
  Tensor& sub_(const Tensor& other, Scalar alpha = 1);
  Tensor& mul_(const Tensor& other);
  Tensor& mul_(Scalar factor);
  Tensor& div_(Scalar divisor);
  /// Gives this tensor the elements, shape and dtype of another one (memory is shared); everybody who holds this tensor
  /// sees the new ones. Used to convert or load parameters.
  void set_data(const Tensor& source);

  // --- differentiable, defined with their operations in core/ops

  Tensor clone() const;
  Tensor to(DType dtype) const;
  Tensor reshape(const std::vector<std::int64_t>& shape) const;
  Tensor view(const std::vector<std::int64_t>& shape) const;
  Tensor flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;
  Tensor squeeze(Axes axes = {}) const;
  Tensor unsqueeze(std::int64_t axis) const;
  // These make new arrays, where PyTorch's are views: to change `Tensor b = x.narrow(0, 0, 2)` in place leaves x as it
  // was (slice_scatter() and select_scatter() put such a part back). They are const so that `x[0].fill_(1)`, whose
  // effect would be lost, does not compile.
  const Tensor permute(const std::vector<std::int64_t>& axes) const;
  const Tensor transpose(std::int64_t axis0, std::int64_t axis1) const;
  const Tensor t() const;
  const Tensor expand(const std::vector<std::int64_t>& shape) const;
  const Tensor narrow(std::int64_t axis, std::int64_t start, std::int64_t length) const;
  const Tensor slice(std::int64_t axis, std::optional<std::int64_t> start = {}, std::optional<std::int64_t> end = {},
                     std::int64_t step = 1) const;
  const Tensor select(std::int64_t axis, std::int64_t index) const;
  const Tensor operator[](std::int64_t index) const { return select(0, index); }
  Tensor index_select(std::int64_t axis, const Tensor& index) const;
  Tensor gather(std::int64_t axis, const Tensor& index) const;
  Tensor sum(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor mean(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor var(const Axes& axes = {}, ReduceFlag unbiased = true, ReduceFlag keepdim = false) const;
  Tensor max(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor min(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor prod(const Axes& axes = {}, ReduceFlag keepdim = false) const;
  Tensor argmax(std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false) const;
  Tensor argmin(std::optional<std::int64_t> axis = {}, ReduceFlag keepdim = false) const;
  Tensor matmul(const Tensor& other) const;
  Tensor neg() const;
  Tensor abs() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor rsqrt() const;
  Tensor pow(double exponent) const;
  Tensor square() const;
  Tensor relu() const;
  Tensor sigmoid() const;
  Tensor tanh() const;
  Tensor clamp(std::optional<Scalar> low, std::optional<Scalar> high) const;
  Tensor softmax(std::int64_t axis) const;
  Tensor log_softmax(std::int64_t axis) const;

  // --- for those who write operations

  /// The node that made this tensor, or that collects its gradient; null when it requires none.
  const NodePtr& node() const noexcept;
  void set_node(NodePtr node);
  /// A tensor over the same memory with another shape of as many elements, outside of any graph.
  Tensor alias(const Shape& shape) const;
  const Buffer& buffer() const;
  /// True when the elements of [N, C, ...] lie as [N, ..., C]; see ChannelsLast. For operations that can use it.
  bool is_channels_last() const noexcept;
  /// A new array of at least 3 axes, channels last where that differs from row-major, with undefined contents.
  static Tensor empty_channels_last(const Shape& shape, DType dtype);
  /// The same elements lying channels last, outside of any graph: shares memory when they do already (or when both
  /// orders are the same). The order of the elements of this tensor stays, as do pointers and views.
  Tensor as_channels_last() const;
  /// This tensor, at its place in the graph, over row-major memory: itself when it lies so, else a copy that is made
  /// once and kept beside the memory of this one, and shares later changes in place with it. It is what data() reads.
  Tensor row_major() const;
  /// Whether changes in place may be written to where the elements lie: not to channels-last memory with a row-major
  /// copy beside it. mutable_data() is always right.
  bool writes_as_it_lies() const noexcept;
  /// Elements in the order in which they lie.
  template <class T>
  const T* physical_data() const {
    return static_cast<const T*>(physical_data_checked(dtype_of<T>));
  }
  template <class T>
  T* mutable_physical_data() {
    return static_cast<T*>(mutable_physical_data_checked(dtype_of<T>));
  }
  /// True when nobody else can see the memory.
  bool is_sole_owner() const noexcept;
  friend bool is_same(const Tensor& a, const Tensor& b) noexcept { return a.impl_ == b.impl_; }

 private:
  explicit Tensor(IntrusivePtr<TensorImpl> impl) noexcept : impl_(std::move(impl)) {}
  TensorImpl& impl() const;
  std::int64_t whole_item() const;
  void check_item_fits(bool fits) const;
  const void* data_checked(DType dtype) const;
  const void* physical_data_checked(DType dtype) const;
  void* mutable_data_checked(DType dtype);
  void* mutable_physical_data_checked(DType dtype);
  Buffer row_major_buffer() const;

  IntrusivePtr<TensorImpl> impl_;
};

/// The array behind a Tensor.
class TensorImpl : public RefCounted {
 public:
  static void destroy(TensorImpl* impl) noexcept { delete impl; }  ///< called by the last handle

  Shape shape;                     ///< of the array
  DType dtype = kFloat32;          ///< of the elements
  std::uint32_t data_changes = 0;  ///< calls of set_data()
  Buffer buffer;                   ///< the values
  NodePtr node;                    ///< what made them, while gradients are asked for

  TensorImpl();
  ~TensorImpl();
};

/// Prints the elements as PyTorch does: 4 digits, scientific when their range asks for it, the dtype where they do not
/// show it, "requires_grad=true" or the operation's name; long axes of more than 1000 elements in all are abridged.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
std::string to_string(const Tensor& tensor);

}  // namespace normgrad
