#include "normgrad/layers/module/hooks.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/part.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

template <class Hook>
using HookList = std::vector<std::pair<std::uint64_t, Hook>>;

struct ModuleHooks {
  HookList<ForwardPreHook> before;
  HookList<ForwardHook> after;
  HookList<ModuleBackwardHook> backward;
  std::uint64_t last_id = 0;
  Module* module = nullptr;

  // Calls the hooks registered so far, in order. A hook that an earlier one removes is not called.
  template <class Hook, class Call>
  static void for_each(const HookList<Hook>& list, const Call& call) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, hook] : list) {
      ids.push_back(id);
    }
    for (const std::uint64_t id : ids) {
      const auto found = std::find_if(list.begin(), list.end(), [id](const auto& entry) { return entry.first == id; });
      if (found != list.end()) {
        const Hook hook = found->second;  // the hook may remove itself
        call(hook);
      }
    }
  }

  bool empty() const noexcept { return before.empty() && after.empty() && backward.empty(); }
};

ModuleHooks& ModuleHookSlot::make(Module* module) {
  if (!hooks_) {
    hooks_ = std::make_shared<ModuleHooks>();
    hooks_->module = module;
  }
  return *hooks_;
}

void ModuleHookSlot::belongs_to(Module* module) noexcept {
  if (hooks_) {
    hooks_->module = module;
  }
}

}  // namespace detail

namespace {

using detail::ModuleHooks;

// State of the backward hooks during one call of a module.
struct BackwardCall {
  std::weak_ptr<ModuleHooks> hooks;
  Tensor gy;

  // Returns the gradient to propagate instead of gx.
  Tensor apply(Tensor gx) {
    const std::shared_ptr<ModuleHooks> alive = hooks.lock();
    if (!alive) {
      return gx;
    }
    ModuleHooks::for_each(alive->backward, [&](const ModuleBackwardHook& hook) {
      const auto version_of = [](const Tensor& gradient) { return gradient.defined() ? gradient.version() : 0; };
      const std::uint64_t gx_before = version_of(gx);
      const std::uint64_t gy_before = version_of(gy);
      Tensor replaced = hook(*alive->module, gx, gy);
      require<GraphError>(version_of(gx) == gx_before && version_of(gy) == gy_before, "full backward hook on ",
                          alive->module->type_name(),
                          ": the gradient was changed in place; return a new tensor instead");
      if (!replaced.defined() || !gx.defined()) {
        return;
      }
      require<GraphError>(replaced.shape() == gx.shape() && replaced.dtype() == gx.dtype(), "full backward hook on ",
                          alive->module->type_name(), ": expected a gradient of ", gx.dtype(), " ", gx.shape(),
                          " but got ", replaced.dtype(), " ", replaced.shape());
      gx = std::move(replaced);
    });
    return gx;
  }
};

Tensor through(const char* name, const Tensor& x, std::function<Tensor(const Tensor&)> action) {
  return detail::part_of(
      x, record(name, x.detach(), {x},
                [action = std::move(action)](const Tensor& g, GradSink& into) { into.add(0, action(g)); }));
}

template <class Hook>
ModuleHookHandle add_hook(const std::shared_ptr<ModuleHooks>& hooks, detail::HookList<Hook>& list, Hook hook) {
  require<ValueError>(static_cast<bool>(hook), "register hook: expected a function but got an empty std::function");
  list.emplace_back(++hooks->last_id, std::move(hook));
  return {hooks, hooks->last_id};
}

}  // namespace

ModuleHookHandle::ModuleHookHandle(std::weak_ptr<detail::ModuleHooks> hooks, std::uint64_t id)
    : hooks_(std::move(hooks)), id_(id) {}

void ModuleHookHandle::remove() {
  if (const std::shared_ptr<ModuleHooks> hooks = hooks_.lock()) {
    const auto is_this = [this](const auto& hook) { return hook.first == id_; };
    std::erase_if(hooks->before, is_this);
    std::erase_if(hooks->after, is_this);
    std::erase_if(hooks->backward, is_this);
  }
  hooks_.reset();
}

ModuleHookHandle Module::register_forward_pre_hook(ForwardPreHook hook) {
  ModuleHooks& hooks = hooks_.make(this);
  return add_hook(hooks_.get(), hooks.before, std::move(hook));
}

ModuleHookHandle Module::register_forward_hook(ForwardHook hook) {
  ModuleHooks& hooks = hooks_.make(this);
  return add_hook(hooks_.get(), hooks.after, std::move(hook));
}

ModuleHookHandle Module::register_full_backward_hook(ModuleBackwardHook hook) {
  ModuleHooks& hooks = hooks_.make(this);
  return add_hook(hooks_.get(), hooks.backward, std::move(hook));
}

bool Module::has_hooks() const noexcept { return hooks_ && !hooks_.get()->empty(); }

void Module::refuse_hooks() const {
  if (hooks_) {
    require<Error>(
        hooks_.get()->empty(), type_name(),
        ": hooks are supported only for modules whose forward takes one tensor; register them on the modules inside");
  }
}

Tensor Module::forward_with_hooks(const Tensor& x) {
  const std::shared_ptr<ModuleHooks> hooks = hooks_.get();
  Tensor input = x;
  ModuleHooks::for_each(hooks->before, [&](const ForwardPreHook& hook) {
    if (Tensor replaced = hook(*this, input); replaced.defined()) {
      input = std::move(replaced);
    }
  });
  std::shared_ptr<BackwardCall> call;
  const Tensor given = input;  // hooks see the input before it is wrapped for the backward
  if (!hooks->backward.empty() && is_grad_enabled()) {
    call = std::make_shared<BackwardCall>(BackwardCall{hooks, {}});
    if (given.requires_grad()) {
      input = through("module_input", given, [call](const Tensor& gx) { return call->apply(gx); });
    }
  }
  Tensor y = forward(input);
  ModuleHooks::for_each(hooks->after, [&](const ForwardHook& hook) {
    if (Tensor replaced = hook(*this, given, y); replaced.defined()) {
      y = std::move(replaced);
    }
  });
  if (call && y.requires_grad()) {
    y = through("module_output", y, [call, alone = !given.requires_grad()](const Tensor& gy) {
      call->gy = gy.detach();  // detached: its graph would hold the node that holds it
      if (alone) {
        call->apply({});
      }
      return gy;
    });
  }
  return y;
}

}  // namespace normgrad
