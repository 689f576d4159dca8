#include "normgrad/core/autograd/tensor.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/detail/shared_graph.hpp"
#include "normgrad/core/autograd/detail/storage.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/autograd/node.hpp"

namespace normgrad {

TensorImpl::TensorImpl() = default;
TensorImpl::~TensorImpl() { detail::leave_graph(*this); }

namespace {
const NodePtr kNoNode;

std::size_t storage_bytes(const Shape& shape, DType dtype) {
  auto bytes = static_cast<std::int64_t>(dtype_size(dtype));
  bool empty = false;
  for (const std::int64_t size : shape) {  // an axis of 0 does not shrink the others: strides must not overflow
    require<ShapeError>(!__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes), "tensor: ", dtype, " ",
                        shape, " is too large for any memory");
    empty = empty || size == 0;
  }
  return empty ? 0 : static_cast<std::size_t>(bytes);
}

}  // namespace

Buffer detail::storage(const Shape& shape, DType dtype, ChannelsLast order) {
  const std::size_t bytes = storage_bytes(shape, dtype);
  try {
    return Buffer(bytes, order);
  } catch (const std::exception&) {  // including std::bad_alloc for the bookkeeping beside the elements
    fail<OutOfMemoryError>("tensor: no memory for ", dtype, " ", shape, ", ", bytes, " bytes, while tensors hold ",
                           memory_stats().bytes_in_use,
                           " bytes; use smaller batches, or NoGradGuard where no gradient is needed");
  }
}

TensorImpl& Tensor::impl() const {
  require<ValueError>(
      defined(),
      "tensor: used before it was given a value (undefined tensor); a grad() is undefined until backward() "
      "has reached it");
  return *impl_;
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  return from_buffer(detail::storage(shape, dtype), shape, dtype);
}

Tensor Tensor::from_buffer(Buffer buffer, const Shape& shape, DType dtype) {
  require<ValueError>(buffer.bytes() >= storage_bytes(shape, dtype), "tensor: a buffer of ", buffer.bytes(),
                      " bytes is too small for ", dtype, " ", shape);
  IntrusivePtr<TensorImpl> impl(new TensorImpl);
  impl->shape = shape;
  impl->dtype = dtype;
  impl->buffer = std::move(buffer);
  return Tensor(std::move(impl));
}

const Shape& Tensor::shape() const { return impl().shape; }
std::int64_t Tensor::numel() const { return impl().shape.numel(); }
DType Tensor::dtype() const { return impl().dtype; }
const Buffer& Tensor::buffer() const { return impl().buffer; }
std::uint64_t Tensor::version() const noexcept {
  return defined() ? impl_->buffer.version() + (std::uint64_t{impl_->data_changes} << 40) : 0;
}
bool Tensor::is_sole_owner() const noexcept {
  return defined() && impl_->reference_count() == 1 && impl_->buffer.unique();
}

const void* Tensor::physical_data_checked(DType dtype) const {
  require<DTypeError>(impl().dtype == dtype, "tensor: cannot read ", impl().dtype, " elements as ", dtype,
                      "; convert the tensor with to(), or read its own dtype");
  return impl_->buffer.data();
}

const void* Tensor::data_checked(DType dtype) const {
  const void* as_they_lie = physical_data_checked(dtype);
  return is_channels_last() ? row_major_buffer().data() : as_they_lie;
}

void* Tensor::mutable_data_checked(DType dtype) {
  require<DTypeError>(impl().dtype == dtype, "tensor: cannot write ", impl().dtype, " elements as ", dtype);
  if (is_channels_last()) {
    row_major_buffer();  // makes the row-major copy, which is then changed
  }
  impl_->buffer.bump_version();
  return impl_->buffer.data();
}

void* Tensor::mutable_physical_data_checked(DType dtype) {
  require<DTypeError>(impl().dtype == dtype, "tensor: cannot write ", impl().dtype, " elements as ", dtype);
  require<GraphError>(is_physically_writable(),
                      "tensor: a row-major copy of its elements exists; write to mutable_data()");
  impl_->buffer.bump_version();
  return impl_->buffer.data();
}

double Tensor::item() const {
  require<ShapeError>(numel() == 1, "item: expected a tensor of one element but got shape ", shape(),
                      "; reduce it with mean() or sum(), or choose an element as in x[0].item()");
  return dispatch_all(dtype(), [&](auto zero) { return static_cast<double>(*data<decltype(zero)>()); });
}

namespace {

// Converting a number outside the range of int64 is undefined in C++.
template <class T>
std::int64_t checked_whole(const char* where, T value) {
  const Scalar number(value);
  require<ValueError>(number.fits_int64(), where, ": expected a number that fits int64 but got ", number);
  return number.whole();
}

template <class T>
T narrowed(std::int64_t whole) {
  require<ValueError>(static_cast<T>(whole) == whole, "to_vector: expected a number that fits ", dtype_of<T>,
                      " but got ", whole);
  return static_cast<T>(whole);
}

}  // namespace

std::int64_t Tensor::whole_item() const {
  return dtype() == kInt64 && numel() == 1 ? *data<std::int64_t>() : checked_whole("item", item());
}

void Tensor::check_item_fits(bool fits) const {
  require<ValueError>(fits, "item: expected a number that fits the integer type but got ", whole_item());
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  std::vector<T> values;
  try {
    values.resize(static_cast<std::size_t>(numel()));
  } catch (const std::exception&) {  // std::bad_alloc, std::length_error
    fail<OutOfMemoryError>("to_vector: no memory for the ", numel(), " elements of ", shape());
  }
  dispatch_all(dtype(), [&](auto zero) {
    const auto* x = data<decltype(zero)>();
    std::transform(x, x + numel(), values.begin(), [](auto v) {
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, decltype(v)>) {
        return narrowed<T>(checked_whole("to_vector", v));
      } else {
        return static_cast<T>(v);
      }
    });
  });
  return values;
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;
template std::vector<bool> Tensor::to_vector() const;
template std::vector<std::uint8_t> Tensor::to_vector() const;
template std::vector<std::int32_t> Tensor::to_vector() const;

bool Tensor::requires_grad() const noexcept { return static_cast<bool>(node()); }
bool Tensor::is_leaf() const noexcept { return !requires_grad() || impl_->node->is_leaf(); }

const NodePtr& Tensor::node() const noexcept {
  if (!defined()) {
    return kNoNode;
  }
  if (const detail::SharedGraph* graph = impl_->graph.load(std::memory_order_acquire);
      graph != nullptr && impl_->seen.load(std::memory_order_acquire) != graph->changes) [[unlikely]] {
    detail::refresh_node(*impl_);
  }
  return impl_->node;
}

void Tensor::set_node(NodePtr node) {
  if (detail::SharedGraph* graph = impl().graph.load(std::memory_order_acquire); graph != nullptr) {
    if (impl().first < 0) {
      graph->node = node;
    } else {
      detail::leave_graph(*impl_);
    }
  }
  impl().node = std::move(node);
}

Tensor& Tensor::requires_grad_(bool requires_grad) {
  require<GraphError>(is_leaf() || requires_grad, "requires_grad_: the tensor is the result of '",
                      node() ? node()->name() : "", "'; only leaves can be switched off; detach() it instead");
  require<DTypeError>(!requires_grad || is_floating_point(dtype()),
                      "requires_grad_: expected a float32 or float64 tensor but got ", dtype(),
                      "; convert it with to(kFloat32) first");
  if (requires_grad != this->requires_grad()) {
    set_node(requires_grad ? NodePtr(new LeafNode(shape(), dtype())) : NodePtr());
  }
  return *this;
}

Tensor Tensor::grad() const { return requires_grad() ? impl_->node->grad : Tensor(); }

void Tensor::set_grad(const Tensor& grad) {
  require<GraphError>(requires_grad(), "set_grad: the tensor requires no gradient");
  require<GraphError>(!grad.defined() || (grad.shape() == shape() && grad.dtype() == dtype()),
                      "set_grad: expected a gradient of ", dtype(), " ", shape(), " but got ",
                      grad.defined() ? dtype_name(grad.dtype()) : "", " ", grad.defined() ? grad.shape() : Shape());
  impl_->node->grad = grad;
}

void Tensor::retain_grad() {
  require<GraphError>(requires_grad(), "retain_grad: the tensor requires no gradient");
  impl_->node->retains_grad = true;
}

void Tensor::backward(const Tensor& gradient, BackwardOptions options) const {
  normgrad::backward({*this}, {gradient}, options);
}

HookHandle Tensor::register_hook(GradHook hook) const {
  require<GraphError>(requires_grad(), "register_hook: the tensor requires no gradient");
  static std::atomic<std::uint64_t> next{0};
  const std::uint64_t id = ++next;
  std::shared_ptr<GradHooks>& hooks = impl_->node->hooks;
  if (!hooks) {
    hooks = std::make_shared<GradHooks>();
  }
  hooks->emplace_back(id, std::move(hook));
  return {hooks, id};
}

HookHandle::HookHandle(std::weak_ptr<GradHooks> hooks, std::uint64_t id) : hooks_(std::move(hooks)), id_(id) {}

void HookHandle::remove() {
  if (const auto hooks = hooks_.lock()) {
    std::erase_if(*hooks, [this](const auto& hook) { return hook.first == id_; });
  }
  hooks_.reset();
}

Tensor Tensor::alias(const Shape& shape) const {
  require<ShapeError>(shape.numel() == numel(), "reshape: expected a shape of ", numel(), " elements for ",
                      this->shape(), " but got ", shape);
  Tensor y = from_buffer(shape == this->shape() ? buffer() : row_major_buffer(), shape, dtype());
  y.impl_->part = PartKind::shared;
  return y;
}

Tensor Tensor::alias_rows(std::int64_t start, std::int64_t length) const {
  Shape rows = shape();
  rows[0] = length;
  const std::size_t row =
      storage_bytes(shape(), dtype()) / static_cast<std::size_t>(std::max<std::int64_t>(size(0), 1));
  Tensor y = from_buffer(buffer().part(static_cast<std::size_t>(start) * row, static_cast<std::size_t>(length) * row),
                         rows, dtype());
  y.impl_->part = PartKind::shared;
  return y;
}

PartKind Tensor::part_kind() const { return impl().part; }
void Tensor::set_part_kind(PartKind kind) { impl().part = kind; }

Tensor& Tensor::lasting(const char* name) {
  require<ValueError>(
      impl().part != PartKind::copied, name, ": the change would be lost, because the temporary ", shape(),
      " is a copy of a part of another tensor; parts share memory along axis 0 only: use index_put_() or "
      "slice_scatter(), or give the copy a name");
  return *this;
}

Tensor Tensor::of_temporary(Tensor part) const {
  if (part_kind() == PartKind::copied || part_kind() == PartKind::shared_temporarily) {
    part.set_part_kind(part_kind());
  } else if (part.part_kind() == PartKind::shared && impl_->reference_count() == 1 && part.numel() > 0 &&
             part.buffer().shares_block(buffer())) {
    const std::ptrdiff_t offset = part.buffer().data() - buffer().data();
    const std::size_t bytes = part.buffer().bytes();
    part.impl_->buffer = Buffer();
    const bool is_last = buffer().unique();
    part.impl_->buffer = buffer().part(static_cast<std::size_t>(offset), bytes);
    part.set_part_kind(is_last ? PartKind::shared_temporarily : PartKind::shared);
  }
  return part;
}

Tensor Tensor::detach() const& { return alias(shape()); }

void Tensor::set_data(const Tensor& source) {
  require<GraphError>(is_leaf(), "set_data: the tensor is the result of an operation; only leaves can be given data");
  // `source` may be this tensor's own gradient or an alias. NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
  const Tensor kept = source;
  require<DTypeError>(!requires_grad() || is_floating_point(kept.dtype()),
                      "set_data: expected float32 or float64 data for a tensor that requires gradients but got ",
                      kept.dtype());
  detail::leave_graph(impl());
  impl().shape = kept.shape();
  impl().dtype = kept.dtype();
  impl().buffer = kept.buffer();
  ++impl().data_changes;
  if (requires_grad()) {
    impl().node->set_meta(shape(), dtype());
    if (grad().defined() && (grad().shape() != shape() || grad().dtype() != dtype())) {
      impl().node->grad = Tensor();
    }
  }
}

}  // namespace normgrad
