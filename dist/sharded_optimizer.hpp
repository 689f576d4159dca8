// ShardedOptimizer: an optimizer whose state is divided among the ranks.
//
//   ShardedOptimizer<AdamW> optimizer(net.parameters(), {.lr = 1e-3});   // on every rank
//
// Every rank keeps the state of its share of the parameters, updates these, and gives them to the others: ZeRO, stage 1
// (Rajbhandari, Rasley, Ruwase and He, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", 2020).
// The state of Adam, two tensors for each parameter, then takes 1/k of the memory on each of k ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/parameter_list.hpp"
#include "normgrad/dist/process_group.hpp"
#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

namespace detail {

/// The division of parameters among ranks, and what the ranks exchange. For ShardedOptimizer.
class OptimizerShards {
 public:
  OptimizerShards(const ParameterList& parameters, const ProcessGroup& group);
  /// The parameters of this rank, with their names. May be empty.
  ParameterList own() const;
  /// Gives all ranks the parameters of each.
  void share_parameters() const;
  /// The whole state, of an optimizer without shards, from those of all ranks. `own` is null without parameters.
  StateDict whole_state(const Optimizer* own) const;
  /// The part of a whole state that belongs to this rank.
  StateDict own_state(const StateDict& whole) const;
  void zero_grad();

 private:
  ParameterList parameters_;
  ProcessGroup group_;
  std::vector<int> rank_of_;
};

}  // namespace detail

/// `O` is one of the library's optimizers, such as AdamW; all parameters share its options. Gradients are the same on
/// all ranks, as after a backward of DistributedDataParallel. Steps have the same bits as those of an `O` with all
/// parameters.
template <class O>
class ShardedOptimizer {
 public:
  using Options = std::remove_cvref_t<decltype(std::declval<O&>().options())>;  ///< those of O

  /// Divides the parameters so that the ranks have about equally many elements. Throws as the constructor of O does.
  explicit ShardedOptimizer(const ParameterList& parameters, const Options& options = {},
                            const ProcessGroup& group = ProcessGroup::world())
      : shards_(parameters, group), options_(options) {
    if (const ParameterList own = shards_.own(); !own.empty()) {
      own_ = std::make_unique<O>(own, options);
    }
  }

  /// Updates the parameters of this rank and receives the others. All ranks call it.
  void step() {
    if (own_) {
      own_->step();
    }
    shards_.share_parameters();
  }
  void zero_grad() { shards_.zero_grad(); }  ///< removes the gradients of all parameters
  /// The learning rate.
  double lr() const { return own_ ? own_->lr() : options_.lr; }
  /// Sets the learning rate. All ranks call it with the same value.
  void set_lr(double lr) {
    if (own_) {
      own_->set_lr(lr);
    }
    options_.lr = lr;
  }
  /// The optimizer of this rank's share; null if it has none.
  O* own() noexcept { return own_.get(); }

  /// Returns the state of an O with all parameters, on every rank. All ranks call it.
  StateDict state_dict() const { return shards_.whole_state(own_.get()); }
  /// Restores the state of an O with all parameters, in this order, sharded or not. Throws as O does.
  void load_state_dict(const StateDict& state) {
    if (own_) {
      own_->load_state_dict(shards_.own_state(state));
      options_.lr = own_->lr();
    } else {
      options_.lr = state.at("group.0.lr").item();
    }
  }

 private:
  detail::OptimizerShards shards_;
  Options options_;
  std::unique_ptr<O> own_;
};

}  // namespace normgrad
