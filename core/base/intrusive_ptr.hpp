// A pointer to an object with an embedded reference count: one word, one allocation.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace normgrad {

/// Base class of objects held by IntrusivePtr. A derived class must define `static void destroy(T*)`, which frees it.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_reference() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }  ///< adds an owner
  /// Removes an owner; returns true if it was the last one.
  bool drop_reference() const noexcept { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  std::uint32_t reference_count() const noexcept { return references_.load(std::memory_order_acquire); }

 protected:
  ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> references_{0};
};

/// A shared pointer to a RefCounted object.
template <class T>
class IntrusivePtr {
 public:
  IntrusivePtr() = default;
  /// Constructs an empty pointer.
  IntrusivePtr(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor)
  /// Adds a reference to the object, which may be null.
  explicit IntrusivePtr(T* object) noexcept : object_(object) {
    if (object_ != nullptr) {
      object_->add_reference();
    }
  }
  IntrusivePtr(const IntrusivePtr& other) noexcept : IntrusivePtr(other.object_) {}
  IntrusivePtr(IntrusivePtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  IntrusivePtr& operator=(IntrusivePtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~IntrusivePtr() {
    if (object_ != nullptr && object_->drop_reference()) {
      T::destroy(object_);
    }
  }

  T* get() const noexcept { return object_; }  ///< null when empty
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const IntrusivePtr& a, const IntrusivePtr& b) noexcept { return a.object_ == b.object_; }

 private:
  T* object_ = nullptr;
};

}  // namespace normgrad
