#include "normgrad/data/detail/prefetch.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <system_error>

#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/log.hpp"
#include "normgrad/core/base/random.hpp"
#include "normgrad/core/base/serial.hpp"
#include "normgrad/data/detail/of_batch.hpp"

namespace normgrad::detail {

namespace {

// First example that fails when read alone; null if none does.
const std::int64_t* culprit(const BatchSource& source, std::span<const std::int64_t> indices) {
  for (const std::int64_t& index : indices) {
    try {
      source.batch({&index, 1});
    } catch (...) {
      return &index;
    }
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<const void> EpochPlan::batch(std::int64_t number) const {
  const NoGradGuard no_grad;
  const auto begin = static_cast<std::size_t>(number * batch_size);
  const std::span<const std::int64_t> indices =
      std::span(order).subspan(begin, std::min(static_cast<std::size_t>(batch_size), order.size() - begin));
  const auto place = [&](const std::string& what) {
    return concat(loader, ": ", what, "batch ", number, " of epoch ", epoch);
  };
  std::shared_ptr<void> made;
  try {
    made = source->batch(indices);
  } catch (const std::exception& error) {
    const std::int64_t* index = culprit(*source, indices);
    rethrow_with(index == nullptr ? place("") : place(concat("example ", *index, " (")) + ")", error);
  }
  Generator generator = generator_of_batch(seed, epoch, number);
  try {
    return source->transformed(std::move(made), generator);
  } catch (const std::exception& error) {
    rethrow_with(place("transform of "), error);
  }
}

Prefetcher::Prefetcher(std::shared_ptr<const EpochPlan> plan, std::int64_t first, std::int64_t count, int workers,
                       int ahead)
    : plan_(std::move(plan)), count_(count), room_(std::int64_t{workers} * ahead), next_(first), wanted_(first) {
  workers = static_cast<int>(std::min<std::int64_t>(workers, count - first));  // more would be idle
  try {
    for (int i = 0; i < workers; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  } catch (const std::system_error& refused) {
    log(LogLevel::warn, plan_->loader, ": ", threads_.size(), " of ", workers, " workers were started (",
        refused.what(), "); the batches are the same");
  }
}

std::shared_ptr<Prefetcher> make_prefetcher(std::shared_ptr<const EpochPlan> plan, std::int64_t first,
                                            std::int64_t count, int workers, int ahead) {
  auto prefetcher = std::make_unique<Prefetcher>(std::move(plan), first, count, workers, ahead);
  return {prefetcher.release(), [made_by = fork_generation()](Prefetcher* ended) {
            if (fork_generation() == made_by) {
              delete ended;  // NOLINT(cppcoreguidelines-owning-memory)
            }
          }};
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  has_room_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Prefetcher::work() {
  const SerialSection serial;  // workers share the processors with the training
  std::unique_lock lock(mutex_);
  while (true) {
    has_room_.wait(lock, [this] { return stop_ || next_ >= count_ || next_ < wanted_ + room_; });
    if (stop_ || next_ >= count_) {
      return;
    }
    const std::int64_t number = next_++;
    lock.unlock();
    Made made;
    try {
      made.batch = plan_->batch(number);
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    made_.emplace(number, std::move(made));
    is_made_.notify_all();
  }
}

std::shared_ptr<const void> Prefetcher::batch(std::int64_t number) {
  if (fork_generation() != generation_) {
    return plan_->batch(number);
  }
  std::unique_lock lock(mutex_);
  if (number < wanted_ || threads_.empty()) {
    lock.unlock();
    return plan_->batch(number);
  }
  wanted_ = number;
  made_.erase(made_.begin(), made_.lower_bound(number));
  has_room_.notify_all();
  is_made_.wait(lock, [&] { return made_.contains(number); });
  const Made& made = made_.at(number);
  if (made.error) {
    const std::exception_ptr error = made.error;
    made_.erase(number);
    wanted_ = number + 1;  // if requested again, it is made again
    std::rethrow_exception(error);
  }
  return made.batch;
}

}  // namespace normgrad::detail
