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

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Parameters that share options.
template <class Options>
struct ParamGroup {
  std::vector<Tensor> params;  ///< handles; the model sees the steps
  Options options = {};        ///< of these alone
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

  /// Changes every parameter that has a gradient, in place and unrecorded; the others stay as they are.
  void step();
  /// Drops the gradients of all parameters.
  void zero_grad();

  /// Parameter groups, and what is in one.
  std::size_t num_groups() const noexcept { return groups_.size(); }
  const std::vector<Tensor>& params(std::size_t group = 0) const;
  double lr(std::size_t group = 0) const;
  /// Sets the learning rate of all groups, or of one. Throws ValueError for a negative one.
  void set_lr(double lr);
  void set_lr(double lr, std::size_t group);
  /// Where learning rate schedules start: what lr() was when the first of them was made, or set_initial_lr() was
  /// called; lr() until then. As in PyTorch no part of the state.
  double initial_lr(std::size_t group = 0) const;
  void set_initial_lr(double lr, std::size_t group);

  /// An option by the name that it has in state_dict(), such as "momentum" or "beta1"; a bool is 0 or 1. Throws
  /// ValueError, naming those that there are, for another name, and for a value out of range.
  double option(const std::string& name, std::size_t group = 0) const;
  void set_option(const std::string& name, double value, std::size_t group);
  bool has_option(const std::string& name) const;

  /// All that a later run needs to go on: options as "group.<g>.<option>", and of parameter i, counted through all
  /// groups, "state.<i>.step" and "state.<i>.<name>" such as "state.3.momentum_buffer". Values are copies.
  StateDict state_dict() const;
  /// Goes on from there. Throws ValueError, listing what does not fit, before anything is changed.
  void load_state_dict(const StateDict& state);

 protected:
  /// An option by name, to be read and written.
  using Option = std::pair<const char*, std::variant<double*, bool*>>;
  /// What is remembered of one parameter: one tensor (or none yet) for each of slot_names(), and a number for each of
  /// scalar_names().
  struct ParamState {
    std::int64_t step = 0;        ///< how many it has seen
    std::vector<Tensor> slots;    ///< in the order of slot_names()
    std::vector<double> scalars;  ///< in the order of scalar_names()
  };

  Optimizer() = default;
  /// Throws ValueError for no parameters, undefined ones, results of operations, and ones that are there already.
  void add_params(std::vector<Tensor> params);

  /// What a group's options are, whether they are in range (else ValueError), and the tensors kept for each parameter.
  virtual std::vector<Option> options_of(std::size_t group) = 0;
  virtual void check_options(std::size_t group) const = 0;
  virtual const std::vector<const char*>& slot_names() const = 0;
  /// Numbers that are remembered of each parameter; they start at 1.
  virtual const std::vector<const char*>& scalar_names() const;
  /// One step of one parameter; `state.step` counts it already.
  virtual void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) = 0;

  /// A slot for that parameter, all 0.
  static Tensor zeros_like_param(const Tensor& param);

 private:
  struct Entry {
    std::vector<Tensor> params;
    std::vector<ParamState> states;
    std::optional<double> initial_lr;
  };
  Option find_option(const std::string& name, std::size_t group) const;
  double& lr_ref(std::size_t group) const;
  Entry& group_at(std::size_t group);

  std::vector<Entry> groups_;
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
