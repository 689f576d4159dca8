#include "normgrad/core/autograd/watch.hpp"

namespace normgrad::detail {

namespace {
thread_local std::vector<Watcher*> own_watchers;
thread_local std::vector<ModulePlace> places;
}  // namespace

std::atomic<int> watchers{0};

Watcher::Watcher() {
  own_watchers.push_back(this);
  watchers.fetch_add(1, std::memory_order_relaxed);
}

Watcher::~Watcher() {
  watchers.fetch_sub(1, std::memory_order_relaxed);
  std::erase(own_watchers, this);
}

void tell_computed(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) {
  for (Watcher* watcher : own_watchers) {
    watcher->computed(name, y, inputs);
  }
}

void tell_returned(const Tensor& y) {
  for (Watcher* watcher : own_watchers) {
    watcher->returned(y);
  }
}

void tell_arguments(const OpArguments& arguments) {
  for (Watcher* watcher : own_watchers) {
    watcher->arguments(arguments);
  }
}

void tell_announced(const char* name, const Tensor& y, const std::vector<Tensor>& inputs) {
  for (Watcher* watcher : own_watchers) {
    watcher->announced(name, y, inputs);
  }
}

std::vector<ModulePlace>& module_places() noexcept { return places; }

std::string current_place() {
  if (places.empty()) {
    return {};
  }
  const ModulePlace& place = places.back();
  return place.path.empty() ? place.type : place.type + " '" + place.path + "'";
}

}  // namespace normgrad::detail
