// Optimizer: what changes parameters by their gradients.
//
//   SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
//   optimizer.zero_grad();
//   loss.backward();
//   optimizer.step();
//
// Parameters may be in groups with options of their own:
//
//   SGD optimizer({{body.parameters(), {.lr = 0.01}}, {head.parameters(), {.lr = 0.1, .momentum = 0.9}}});
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
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
  ParameterList params;  ///< handles; the model sees the steps
  Options options = {};  ///< of these alone
};

/// Options of Optimizer::load_state_dict(): how the names of parameters in the state become this optimizer's.
struct OptimizerLoadOptions {
  /// Taken off the names in the state that begin with it. "module." is taken off, or put before them, without being
  /// asked for where that makes the difference.
  std::string prefix = {};
  /// Names in the state (after the prefix was taken off) and what they are called here: parameters, or modules with all
  /// that is in them: {{"encoder.0", "features.conv1"}}.
  std::map<std::string, std::string> key_map = {};
};

/// Base of all optimizers: see the head of this file.
class Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer&&) noexcept = default;
  virtual ~Optimizer() = default;

  /// The name in error messages, such as "SGD".
  virtual const char* type_name() const noexcept = 0;

  /// Changes every parameter that has a gradient, in place and unrecorded; the others stay as they are. All or none:
  /// throws ValueError for options out of range, and ShapeError or DTypeError, naming the parameter, for a gradient or
  /// a state that no longer fits, before anything is changed. The first step that meets no gradient at all logs a
  /// warning.
  void step();
  /// Drops the gradients of all parameters.
  void zero_grad();

  /// Parameter groups, and what is in one.
  std::size_t num_groups() const noexcept { return groups_.size(); }
  const std::vector<Tensor>& params(std::size_t group = 0) const;
  /// What parameter i of a group is called in its model, as the ParameterList said; "" when it did not.
  const std::string& param_name(std::size_t i, std::size_t group = 0) const;
  double lr(std::size_t group = 0) const;
  /// Sets the learning rate of all groups, or of one. Throws ValueError for one that is negative or not finite.
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);
  /// Where learning rate schedules start: what lr() was when the first of them was made, or set_initial_lr() was
  /// called; lr() until then.
  double initial_lr(std::size_t group = 0) const;
  void set_initial_lr(double lr, std::size_t group);

  /// An option by the name that it has in state_dict(), such as "momentum" or "beta1"; a bool is 0 or 1. Throws
  /// ValueError, naming those that there are, for another name, and for a value out of range.
  double option(const std::string& name, std::size_t group = 0) const;
  void set_option(const std::string& name, double value, std::size_t group);
  bool has_option(const std::string& name) const;

  /// All that a later run needs to go on: options as "group.<g>.<option>", "group.<g>.initial_lr" once there is one,
  /// and of parameter i, counted through all groups, "state.<i>.step" and "state.<i>.<name>" such as
  /// "state.3.momentum_buffer", and its name: "param.fc1.weight" holds i. Values are copies.
  StateDict state_dict() const;
  /// Goes on from there. Where both the state and this optimizer have names, each parameter gets the state of its own
  /// name, in whatever order they are; otherwise the state of its number. (A name that two parameters have is none.)
  /// Throws ValueError, listing what does not fit, before anything is changed.
  void load_state_dict(const StateDict& state, const OptimizerLoadOptions& options = {});
  /// load_state_dict() in two steps: checks everything, with its errors, and changes nothing; what it returns does the
  /// rest and does not throw. The optimizer must live, and keep its groups, until then.
  std::function<void()> prepare_state_dict(const StateDict& state, const OptimizerLoadOptions& options = {});

 protected:
  static constexpr std::size_t kMaxSlots = 3;  ///< no optimizer remembers more tensors of a parameter
  /// An option by name, to be read and written.
  using Option = std::pair<const char*, std::variant<double*, bool*>>;
  /// What is remembered of one parameter: one tensor (or none yet) for each of slot_names(), and a number for each of
  /// scalar_names().
  struct ParamState {
    std::int64_t step = 0;                         ///< how many it has seen
    std::vector<Tensor> slots;                     ///< in the order of slot_names()
    std::array<bool, kMaxSlots> slot_is_new = {};  ///< made for this step
    std::vector<double> scalars;                   ///< in the order of scalar_names()
  };
  /// With what each slot is filled when a parameter's first step needs it; nullopt: it is not in use.
  using SlotStarts = std::array<std::optional<double>, kMaxSlots>;

  Optimizer() = default;
  /// Throws ValueError for no parameters, undefined ones, results of operations, and ones that are there already.
  void add_params(ParameterList params);

  /// What a group's options are, whether they are in range (else ValueError), and the tensors kept for each parameter.
  virtual std::vector<Option> options_of(std::size_t group) = 0;
  virtual void check_options(std::size_t group) const = 0;
  virtual const std::vector<const char*>& slot_names() const = 0;
  /// Which slots the next step of a group needs.
  virtual SlotStarts slots_in_use(std::size_t group) const = 0;
  /// Numbers that are remembered of each parameter; they start at 1.
  virtual const std::vector<const char*>& scalar_names() const;
  /// One step of one parameter; `state.step` counts it already, the slots in use are there, and the gradient fits.
  virtual void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) = 0;

 private:
  friend class LRScheduler;
  struct Entry {
    std::vector<Tensor> params;
    std::vector<std::string> names;
    std::vector<ParamState> states;
    std::optional<double> initial_lr;
    std::optional<double> start_lr;  // a schedule that was just made has set it
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
  bool warned_ = false;  // of a step without gradients
};

/// The part of an optimizer that depends on the type of its options.
template <class Options>
class OptimizerOf : public Optimizer {
 public:
  using Group = ParamGroup<Options>;  ///< parameters with options of this optimizer

  /// Adds parameters with options of their own; throws ValueError, and adds nothing, where either is not possible.
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
  /// The options of a group; changes count from the next step on, which checks them.
  Options& options(std::size_t group = 0) { return options_.at(group); }
  /// The same, to be read.
  const Options& options(std::size_t group = 0) const { return options_.at(group); }

 protected:
  /// All or none of them.
  void add_param_groups(std::vector<Group> groups) {
    require<ValueError>(!groups.empty(), type_name(), ": expected parameters but got no groups");
    for (Group& group : groups) {
      add_param_group(std::move(group));
    }
  }

 private:
  std::vector<Options> options_;
};

}  // namespace normgrad
