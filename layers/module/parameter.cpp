#include "normgrad/layers/module/parameter.hpp"

#include <mutex>
#include <utility>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/layers/module/detail/parametrized.hpp"

namespace normgrad {

namespace {

detail::ForkSafeMutex& ties_mutex() {
  static auto* mutex =
      new detail::ForkSafeMutex(detail::ForkSafeMutex::Rank::ties);  // NOLINT(cppcoreguidelines-owning-memory)
  return *mutex;
}

const detail::BeforeMain ties_mutex_exists([] { ties_mutex(); });

Tensor member_copy(const Tensor& tensor) {
  if (!tensor.defined()) {
    return {};
  }
  Tensor copy = Tensor::empty(tensor.shape(), tensor.dtype());
  copy.copy_(tensor.detach());
  return copy;
}

Tensor outside_graph(const Tensor& tensor) { return tensor.defined() ? tensor.detach() : Tensor(); }

void copy_into(Tensor& member, const Tensor& source) {
  if (is_same(member, source)) {
    return;
  }
  if (!source.defined()) {
    member = Tensor();
  } else if (!member.defined()) {
    member = member_copy(source).requires_grad_(source.requires_grad());
  } else if (member.shape() == source.shape() && member.dtype() == source.dtype()) {
    const NoGradGuard no_grad;
    member.copy_(source.detach());
  } else {
    member.set_data(member_copy(source));
  }
}

// Moves the tensor of a temporary into an undefined member; otherwise copies.
template <class Member>
void move_into(Member& member, Member& source) {
  if (member.defined() || &member == &source) {
    copy_into(member, source);
  } else {
    static_cast<Tensor&>(member) = static_cast<Tensor&&>(source);
  }
}

}  // namespace

Parameter::Parameter(const Tensor& value) : Tensor(outside_graph(value)) {
  if (defined()) {
    requires_grad_();
  }
}

Parameter::Parameter(const Parameter& other)
    : Tensor(member_copy(other)), parametrizations_(detail::Parametrized::copy_of(other)) {
  if (other.requires_grad() && !is_parametrized()) {
    requires_grad_();
  }
}

Parameter& Parameter::operator=(const Parameter& other) {
  if (this == &other) {
    return *this;
  }
  if (is_parametrized()) {
    detail::Parametrized::assign(*this, other);
  } else if (!other.is_parametrized()) {
    copy_into(*this, other);
  } else if (defined()) {
    copy_into(*this, detail::Parametrized::value_of(other));
  } else {
    *this = Parameter(other);
  }
  return *this;
}

Parameter& Parameter::operator=(Parameter&& other) {
  if (defined() && (is_parametrized() || other.is_parametrized())) {
    return *this = static_cast<const Parameter&>(other);
  }
  move_into(*this, other);
  parametrizations_ = std::move(other.parametrizations_);
  return *this;
}

StateBuffer::StateBuffer(const Tensor& value, StateBufferOptions options)
    : Tensor(outside_graph(value)), persistent_(options.persistent) {}

StateBuffer::StateBuffer(const StateBuffer& other) : Tensor(member_copy(other)), persistent_(other.persistent_) {}

StateBuffer& StateBuffer::operator=(const StateBuffer& other) {
  persistent_ = defined() ? persistent_ : other.persistent_;
  copy_into(*this, other);
  return *this;
}

StateBuffer& StateBuffer::operator=(StateBuffer&& other) {
  persistent_ = defined() ? persistent_ : other.persistent_;
  move_into(*this, other);
  return *this;
}

void WeightTies::operator()(Parameter& parameter, const Parameter& to) const {
  const std::lock_guard lock(ties_mutex());  // several threads may call a model for the first time
  if (is_same(parameter, to)) {
    return;
  }
  require<ValueError>(to.defined(), "tie_weights: expected a parameter to tie to but got an undefined one");
  require<ValueError>(!parameter.is_parametrized() && !to.is_parametrized(),
                      "tie_weights: expected parameters that are not parametrized; call remove_parametrizations() ",
                      "first, or do not tie them");
  if (parameter.defined()) {
    require<ValueError>(parameter.shape() == to.shape() && parameter.dtype() == to.dtype(),
                        "tie_weights: expected parameters of the same shape and dtype but got ", parameter.dtype(), " ",
                        parameter.shape(), " to be tied to ", to.dtype(), " ", to.shape());
  }
  static_cast<Tensor&>(parameter) = to;
}

}  // namespace normgrad
