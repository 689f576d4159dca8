// Optimizer: updates parameters from their gradients.
//
//   SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
//   optimizer.zero_grad();
//   loss.backward();
//   optimizer.step();
//
// Parameters may be divided into groups with their own options:
//
//   SGD optimizer({{body.parameters(), {.lr = 0.01}}, {head.parameters(), {.lr = 0.1, .momentum = 0.9}}});
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "normgrad/core/autograd/parameter_list.hpp"
#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Parameters that share options.
template <class Options>
struct ParamGroup {
  ParameterList params;  ///< handles to the model's own parameters
  Options options = {};  ///< of this group
};

/// Options of Optimizer::load_state_dict(): map parameter names in the state to this optimizer's.
struct OptimizerLoadOptions {
  /// Removed from names in the state that begin with it. "module." is removed or added automatically where that makes
  /// the names match.
  std::string prefix = {};
  /// Maps names in the state (after removal of the prefix) to names here. A name may be a parameter or a module, which
  /// maps everything in it: {{"encoder.0", "features.conv1"}}.
  std::map<std::string, std::string> key_map = {};
};

/// Base class of all optimizers; see the top of this file.
class Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer&&) noexcept = default;
  virtual ~Optimizer() = default;

  /// Returns the name used in error messages, such as "SGD".
  virtual const char* type_name() const noexcept = 0;

  /// Updates every parameter that has a gradient, in place and unrecorded. Other parameters are unchanged. Throws
  /// before any parameter is changed: ValueError for options out of range, and ShapeError or DTypeError, naming the
  /// parameter, for a gradient or state that no longer matches. Logs a warning the first time no parameter has a
  /// gradient.
  virtual void step();
  /// Computes the loss and its gradients: zero_grad(), forward, backward(), and returns the loss. Called with recording
  /// enabled.
  using Closure = std::function<Tensor()>;
  /// Calls the closure, then step(), and returns the loss of before the step. LBFGS, which evaluates a loss several
  /// times in a step, requires this form. Throws ValueError if the closure returns an undefined tensor.
  virtual Tensor step(const Closure& closure);
  /// Removes the gradients of all parameters.
  void zero_grad();

  /// Number of parameter groups, and the parameters of one.
  std::size_t num_groups() const noexcept { return groups_.size(); }
  const std::vector<Tensor>& params(std::size_t group = 0) const;
  /// Returns the name of parameter i of a group, as given by the ParameterList; "" if it has none.
  const std::string& param_name(std::size_t i, std::size_t group = 0) const;
  double lr(std::size_t group = 0) const;
  /// Sets the learning rate of all groups or of one. Throws ValueError if it is negative or not finite.
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);
  /// Returns the rate from which learning rate schedules start: the value of lr() when the first schedule was created,
  /// or the value passed to set_initial_lr(); lr() before that.
  double initial_lr(std::size_t group = 0) const;
  void set_initial_lr(double lr, std::size_t group);

  /// Returns an option by its name in state_dict(), such as "momentum" or "beta1"; a bool is 0 or 1. Throws ValueError,
  /// listing the known names, for an unknown name. set_option() also throws it for a value out of range.
  double option(const std::string& name, std::size_t group = 0) const;
  void set_option(const std::string& name, double value, std::size_t group);
  bool has_option(const std::string& name) const;

  /// Returns the whole state needed to resume: options as "group.<g>.<option>"; "group.<g>.initial_lr" if it is set;
  /// and for parameter i, counted across groups, "state.<i>.step", "state.<i>.<name>" such as
  /// "state.3.momentum_buffer", and its name: "param.fc1.weight" holds i. Values are copies.
  StateDict state_dict() const;
  /// Restores a state. If both the state and this optimizer have names, each parameter gets the state of its own name,
  /// in any order; otherwise the state of its index. (A name shared by two parameters is ignored.) Throws ValueError,
  /// listing all mismatches, before anything is changed.
  void load_state_dict(const StateDict& state, const OptimizerLoadOptions& options = {});
  /// Splits load_state_dict() into two steps. Checks everything, throws the same errors, and changes nothing; the
  /// returned function performs the load and does not throw; call it once. The optimizer must live, and keep its
  /// groups, until then.
  std::function<void()> prepare_state_dict(const StateDict& state, const OptimizerLoadOptions& options = {});

 protected:
  static constexpr std::size_t kMaxSlots = 3;  ///< maximum number of state tensors per parameter
  /// An option by name, for reading and writing.
  using Option = std::pair<const char*, std::variant<double*, bool*, std::int64_t*>>;
  /// State of one parameter: one tensor (or none yet) for each of slot_names(), and a number for each of
  /// scalar_names().
  struct ParamState {
    std::int64_t step = 0;                         ///< number of steps taken
    std::vector<Tensor> slots;                     ///< in the order of slot_names()
    std::array<bool, kMaxSlots> slot_is_new = {};  ///< created for this step
    std::vector<double> scalars;                   ///< in the order of scalar_names()
  };
  /// Initial value of each slot, used when a parameter's first step needs it; nullopt: not in use.
  using SlotStarts = std::array<std::optional<double>, kMaxSlots>;

  Optimizer() = default;
  /// Adds a group. Throws ValueError for an empty list, and for parameters that are undefined, not floating point, not
  /// leaves, or already present.
  void add_params(ParameterList params);

  /// A group's options, their range check (throws ValueError), and the names of the tensors kept for each parameter.
  virtual std::vector<Option> options_of(std::size_t group) = 0;
  virtual void check_options(std::size_t group) const = 0;
  virtual std::span<const char* const> slot_names() const = 0;
  /// Returns which slots the next step of a group needs.
  virtual SlotStarts slots_in_use(std::size_t group) const = 0;
  /// The same for one parameter, and the shape of its slots, for optimizers in which they depend on its shape.
  virtual SlotStarts slots_in_use_of(std::size_t group, const Tensor& param) const;
  virtual Shape slot_shape(std::size_t slot, const Shape& param) const;
  /// Returns the names of the numbers kept for each parameter; they start at 1.
  virtual std::span<const char* const> scalar_names() const;
  /// Performs the step of one parameter. `state.step` already includes it, slots in use exist, and the gradient
  /// matches.
  virtual void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) = 0;

  /// State that belongs to no single parameter, in state_dict() under "all.<key>". prepare_common() checks it, throws
  /// ValueError, and returns a function that loads it and does not throw. Parameters then load in their own order only.
  virtual StateDict common_state() const;
  virtual std::function<void()> prepare_common(const StateDict& state);
  /// Calls the closure as step() does.
  Tensor evaluate(const Closure& closure) const;

 private:
  friend class LRScheduler;
  struct Entry {
    std::vector<Tensor> params;
    std::vector<std::string> names;
    std::vector<ParamState> states;
    std::optional<double> initial_lr;
    std::optional<double> start_lr;  // the rate set by a schedule that was just created
  };
  struct Job;
  struct NewSlot;
  void prepare(std::size_t group, std::vector<Job>& jobs, std::vector<NewSlot>& new_slots);
  std::string place_of(std::size_t group, std::size_t i) const;
  std::vector<std::string> unique_names() const;
  Option find_option(const std::string& name, std::size_t group) const;
  double& lr_ref(std::size_t group) const;
  Entry& group_at(std::size_t group);

  std::vector<Entry> groups_;
  bool warned_ = false;  // whether a step without gradients was reported
};

/// The part of an optimizer that depends on the type of its options.
template <class Options>
class OptimizerOf : public Optimizer {
 public:
  using Group = ParamGroup<Options>;  ///< parameters with options of this optimizer

  /// Adds parameters with their own options. Throws ValueError, adding nothing, if the parameters or options are
  /// invalid.
  void add_param_group(Group group) {
    options_.push_back(group.options);
    try {
      check_options(options_.size() - 1);
      add_params(std::move(group.params));
    } catch (...) {
      options_.pop_back();
      throw;
    }
  }
  /// Returns the options of a group. Changes are checked and take effect at the next step.
  Options& options(std::size_t group = 0) { return options_.at(group); }
  /// Returns the options of a group, read-only.
  const Options& options(std::size_t group = 0) const { return options_.at(group); }

 protected:
  /// Adds all groups, or none if one is invalid.
  void add_param_groups(std::vector<Group> groups) {
    require<ValueError>(!groups.empty(), type_name(), ": expected parameter groups but got none");
    for (Group& group : groups) {
      add_param_group(std::move(group));
    }
  }

 private:
  std::vector<Options> options_;
};

namespace detail {

/// Base of the library's optimizers, whose update is one pass over the arrays: an Update<T, Options> in
/// optim/name.simd.cpp (see optim/detail/step.hpp).
template <class Options>
class OnePassOptimizer : public OptimizerOf<Options> {
 protected:
  void update(std::size_t group, Tensor& param, const Tensor& grad, Optimizer::ParamState& state) override;
};

}  // namespace detail

}  // namespace normgrad
