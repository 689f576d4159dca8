// Guards for tools that change a model's modes temporarily. Internal.
#pragma once

#include <utility>
#include <vector>

#include "normgrad/layers/module/module.hpp"
#include "normgrad/layers/norm/running_stats.hpp"

namespace normgrad::detail {

/// Saves the mode of every module and the choice of statistics of every norm; restores them on destruction.
class ModelModeGuard {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] explicit ModelModeGuard(Module& model) {
    for (const auto& [name, module] : model.named_modules()) {
      modes_.emplace_back(module, module->is_training());
      if (auto* norm = dynamic_cast<RunningStatsNorm*>(module)) {
        statistics_.emplace_back(norm, norm->statistics());
      }
    }
  }
  ModelModeGuard(const ModelModeGuard&) = delete;
  ModelModeGuard& operator=(const ModelModeGuard&) = delete;
  ~ModelModeGuard() {
    for (const auto& [module, training] : modes_) {  // parents come first, because train() is recursive
      module->train(training);
    }
    for (const auto& [norm, statistics] : statistics_) {
      norm->set_statistics(statistics);
    }
  }

 private:
  std::vector<std::pair<Module*, bool>> modes_;
  std::vector<std::pair<RunningStatsNorm*, Statistics>> statistics_;
};

/// Removes a hook on destruction.
class ScopedHook {
 public:
  [[nodiscard("give it a name: an object without one ends at once")]] explicit ScopedHook(ModuleHookHandle handle)
      : handle_(std::move(handle)) {}
  ScopedHook(const ScopedHook&) = delete;
  ScopedHook& operator=(const ScopedHook&) = delete;
  ScopedHook(ScopedHook&&) noexcept = default;
  ScopedHook& operator=(ScopedHook&&) = delete;
  ~ScopedHook() { handle_.remove(); }

 private:
  ModuleHookHandle handle_;
};

}  // namespace normgrad::detail
