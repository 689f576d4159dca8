// Parametrizations: parameters that are computed from other tensors, as in torch.nn.utils.parametrize.
//
//   struct Symmetric : Module {
//     NORMGRAD_MEMBERS(Symmetric)
//     Tensor forward(const Tensor& x) override { return triu(x) + triu(x, 1).t(); }
//   };
//   Linear fc(5, 5);
//   register_parametrization(fc, "weight", Symmetric());
//
// From then on, each call of the module computes the parameter from its originals, which take its place among the
// parameters: "parametrizations.weight.original" instead of "weight". They are trained, copied, converted, averaged and
// saved with the module, under PyTorch's keys. weight_norm(), spectral_norm() and weight_standardization() are made
// this way.
//
// Between calls, `fc.weight` holds the value of the last call, without a gradient. It is computed anew by module(x),
// but not by module.forward(x); parametrizations(fc, "weight").value() is the differentiable value at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "normgrad/layers/module/any_module.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Base of the parametrizations that have a right inverse or combine several tensors. Others are any module that maps a
/// tensor to one of the same shape.
class Parametrization : public Module {
 public:
  using NormgradSelf = Parametrization;  ///< for NORMGRAD_MEMBERS

  /// The parameter's value, from all of its originals. By default forward(originals[0]).
  virtual Tensor combine(const std::vector<Tensor>& originals);
  /// Tensors that combine() maps to `value`, or at least starts from: the originals when the parametrization is
  /// registered, and when the parameter is assigned to. Empty, the default: there is no such function. The parameter
  /// itself is then the original, and it cannot be assigned to.
  virtual std::vector<Tensor> right_inverse(const Tensor& value);
  /// Returns combine(originals). Errors carry the path of the module.
  Tensor call(const std::vector<Tensor>& originals) {
    return with_path([&] { return combine(originals); });
  }

 protected:
  Parametrization() = default;
};

namespace detail {
struct ParametrizedCall;
}

/// What a parametrized parameter is computed from: its originals, and the parametrizations in the order in which they
/// are applied. A child "parametrizations.<name>" of the module, with the parameters "original", or "original0",
/// "original1" and so on, and the parametrizations "0", "1" and so on. Made by register_parametrization().
class ParametrizationList final : public Module {
 public:
  ParametrizationList(const ParametrizationList& other);
  ParametrizationList& operator=(const ParametrizationList&) = delete;
  ~ParametrizationList() override;

  /// Computes the parameter. The result has the gradients of the originals. In training mode this may change the state
  /// of parametrizations, as a call of the module does.
  Tensor value();
  /// Number of parametrizations, and one of them. Throws IndexError if i is out of range.
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(parametrizations_.size()); }
  Module& operator[](std::int64_t i) const;
  /// Number of originals, and one of them. Throws IndexError if i is out of range.
  std::int64_t num_originals() const noexcept { return static_cast<std::int64_t>(originals_.size()); }
  Parameter& original(std::int64_t i = 0);

  std::string type_name() const override { return "ParametrizationList"; }
  std::unique_ptr<Module> clone() const override;
  void members(MemberVisitor& visit) override;

 private:
  friend struct detail::Parametrized;
  ParametrizationList(std::vector<Parameter> originals, bool unsafe);

  std::vector<Parameter> originals_;
  std::vector<AnyModule> parametrizations_;
  bool unsafe_ = false;
  std::shared_ptr<detail::ParametrizedCall> call_;  // of the module; not copied
};

/// Options of register_parametrization().
struct RegisterParametrizationOptions {
  /// If true, the parametrization may change the shape and dtype of the parameter, and is not checked.
  bool unsafe = false;
};

/// Makes a parameter of the module the result of a parametrization. `name` is the module's own, "weight", or that of a
/// module below it, "features.0.weight". A further parametrization of the same parameter is applied to the result of
/// those before. The parametrization gets the module's mode (train or eval).
///
/// With a single original, it is the same tensor as the parameter before, which an optimizer may already hold. Others
/// are new: create the optimizer afterwards. Returns the module. Throws ValueError, changing nothing, for an unknown
/// name, and for a parametrization that changes shape or dtype.
Module& register_parametrization(Module& module, const std::string& name, AnyModule parametrization,
                                 const RegisterParametrizationOptions& options = {});
/// Makes a parametrized parameter an ordinary one again, with its current value (computed as in eval mode), or, if
/// `leave_parametrized` is false, with the value of its only original. With a single original it is the same tensor as
/// that. Returns the module. Throws ValueError unless the parameter is parametrized, and for several originals that
/// leave_parametrized does not combine.
Module& remove_parametrizations(Module& module, const std::string& name, bool leave_parametrized = true);
/// Whether a parameter of the module is parametrized; without a name, whether any of its own is. False for an unknown
/// name.
bool is_parametrized(const Module& module, const std::string& name = {});
/// What the parameter is computed from. Throws ValueError unless it is parametrized.
ParametrizationList& parametrizations(Module& module, const std::string& name);

/// While a guard is alive on this thread, a parametrized parameter is computed once for all calls of its module, as
/// under PyTorch's parametrize.cached(): for modules that are called several times per step. It is computed again after
/// a change of its originals. As the calls share a part of the graph, only one backward can go through it without
/// retain_graph.
class CachedParametrizationsGuard {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] CachedParametrizationsGuard();
  CachedParametrizationsGuard(const CachedParametrizationsGuard&) = delete;
  CachedParametrizationsGuard& operator=(const CachedParametrizationsGuard&) = delete;
  ~CachedParametrizationsGuard();
};

}  // namespace normgrad
