// Eval mode for a while. Internal to the library.
#pragma once

#include <cstddef>
#include <vector>

#include "normgrad/layers/module/module.hpp"

namespace normgrad::detail {

/// Sets every module to eval mode, and restores the modes.
class EvalModeGuard {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] explicit EvalModeGuard(Module& model)
      : modules_(model.named_modules()) {
    for (const auto& [name, module] : modules_) {
      training_.push_back(module->is_training());
    }
    model.eval();
  }
  EvalModeGuard(const EvalModeGuard&) = delete;
  EvalModeGuard& operator=(const EvalModeGuard&) = delete;
  ~EvalModeGuard() {
    // Outermost first, so that each module ends in its own mode.
    for (std::size_t i = 0; i < modules_.size(); ++i) {
      modules_[i].second->train(training_[i]);
    }
  }

 private:
  NamedModules modules_;
  std::vector<bool> training_;
};

}  // namespace normgrad::detail
