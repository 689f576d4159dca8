#include "normgrad/core/autograd/detail/leaf_observer.hpp"

#include <algorithm>

namespace normgrad::detail {

namespace {
thread_local std::vector<LeafObserver*> observers_of_leaves;
}  // namespace

LeafObserver::LeafObserver() { observers_of_leaves.push_back(this); }
LeafObserver::~LeafObserver() { std::erase(observers_of_leaves, this); }
const std::vector<LeafObserver*>& leaf_observers() noexcept { return observers_of_leaves; }

}  // namespace normgrad::detail
