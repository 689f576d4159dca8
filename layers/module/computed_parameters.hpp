// The computed parameters of a module during a call; see parametrize.hpp.
#pragma once

namespace normgrad {

class Module;

namespace detail {

struct BegunCall;
BegunCall* begin_call(Module& module);
void end_call(BegunCall* call) noexcept;

/// Computes the parametrized parameters of a module, which hold their values until its destruction.
class ComputedParameters {
 public:
  /// Does nothing unless the module may have such parameters.
  ComputedParameters(Module& module, bool may_have) {
    if (may_have) [[unlikely]] {
      call_ = begin_call(module);
    }
  }
  ComputedParameters(const ComputedParameters&) = delete;
  ComputedParameters& operator=(const ComputedParameters&) = delete;
  ~ComputedParameters() {
    if (call_ != nullptr) [[unlikely]] {
      end_call(call_);
    }
  }

 private:
  BegunCall* call_ = nullptr;
};

}  // namespace detail

}  // namespace normgrad
