#include "normgrad/optim/schedules/combined.hpp"

#include <algorithm>

namespace normgrad {

CombinedSchedule::CombinedSchedule(const char* where, Optimizer& optimizer,
                                   const std::vector<AnyLRScheduler>& schedules)
    : LRScheduler(optimizer) {
  require<ValueError>(!schedules.empty(), where, ": expected schedules but got none");
  for (const AnyLRScheduler& schedule : schedules) {
    require<ValueError>(schedule.get() != nullptr, where, ": expected schedules but got an empty pointer");
    require<ValueError>(&schedule.get()->optimizer() == &optimizer, where,
                        ": expected schedules of one optimizer but schedule ", schedules_.size(),
                        " belongs to another");
    schedules_.push_back(schedule.get());
  }
}

void CombinedSchedule::set_epoch(std::int64_t epoch) {
  require<ValueError>(epoch >= 0, type_name(), ": expected epoch >= 0 but got ", epoch);
  all_or_nothing([&] {
    restart();
    while (this->epoch() < epoch) {
      step_parts();
    }
  });
}

void CombinedSchedule::enter_epoch(std::int64_t epoch) {
  for (const std::shared_ptr<LRScheduler>& schedule : schedules_) {
    schedule->enter_epoch(epoch);
  }
}

void CombinedSchedule::step() {
  all_or_nothing([this] { step_parts(); });
}

// The parts change the optimizer one after another, so their changes are undone if one throws.
template <class F>
void CombinedSchedule::all_or_nothing(F f) {
  const std::vector<std::vector<double>> before = detail::values_of(fields());
  std::vector<double> rates;
  for (std::size_t g = 0; g < num_groups(); ++g) {
    rates.push_back(optimizer().lr(g));
  }
  try {
    f();
  } catch (...) {
    detail::set_values(fields(), before);
    tell_optimizer();
    for (std::size_t g = 0; g < num_groups(); ++g) {
      optimizer().set_lr(rates[g], g);
    }
    throw;
  }
}

double CombinedSchedule::next_lr(std::int64_t /*epoch*/, double lr, std::size_t /*group*/) const { return lr; }

double CombinedSchedule::lr_at(std::int64_t /*epoch*/, std::size_t group) const { return base_lr(group); }

std::vector<detail::StateField> CombinedSchedule::fields() {
  std::vector<detail::StateField> all = LRScheduler::fields();
  for (std::size_t i = 0; i < schedules_.size(); ++i) {
    for (auto& [name, value] : schedules_[i]->fields()) {
      all.emplace_back(std::to_string(i) + "." + name, value);
    }
  }
  return all;
}

void CombinedSchedule::reset_lrs() {
  for (std::size_t g = 0; g < num_groups(); ++g) {
    optimizer().set_lr(base_lr(g), g);
  }
}

void CombinedSchedule::set_place(std::int64_t epoch) {
  std::vector<double> rates;
  for (std::size_t g = 0; g < num_groups(); ++g) {
    rates.push_back(optimizer().lr(g));
  }
  set_last_lr(std::move(rates));
  set_epoch_only(epoch);
}

SequentialLR::SequentialLR(Optimizer& optimizer, const std::vector<AnyLRScheduler>& schedules,
                           std::vector<std::int64_t> milestones)
    : CombinedSchedule("SequentialLR", optimizer, schedules), milestones_(std::move(milestones)) {
  require<ValueError>(milestones_.size() + 1 == this->schedules().size(),
                      "SequentialLR: expected one milestone fewer than schedules but got ", milestones_.size(), " and ",
                      this->schedules().size());
  for (std::size_t i = 0; i < milestones_.size(); ++i) {
    const std::int64_t before = i > 0 ? milestones_[i - 1] : 0;
    require<ValueError>(milestones_[i] > before, "SequentialLR: expected ascending milestones >= 1 but got ",
                        milestones_[i], " after ", before);
  }
  SequentialLR::restart();
  mark_start();
}

std::size_t SequentialLR::part_at(std::int64_t epoch) const {
  return static_cast<std::size_t>(std::upper_bound(milestones_.begin(), milestones_.end(), epoch) -
                                  milestones_.begin());
}

void SequentialLR::restart() {
  reset_lrs();
  enter_epoch(0);  // resets the momenta to those at construction of the parts
  begin_part(0);
  set_place(0);
}

void SequentialLR::step_parts() {
  const std::int64_t next = epoch() + 1;
  const std::size_t i = part_at(next);
  if (i > 0 && milestones_[i - 1] == next) {
    restart_part(i);
  } else {
    schedules()[i]->step();
  }
  set_place(next);
}

void SequentialLR::tell_optimizer() {
  for (std::size_t i = 0; i <= part_at(epoch()); ++i) {
    tell_optimizer_of(i);
  }
  LRScheduler::tell_optimizer();
}

ChainedScheduler::ChainedScheduler(const std::vector<AnyLRScheduler>& schedules)
    : CombinedSchedule(
          "ChainedScheduler",
          [&]() -> Optimizer& {
            require<ValueError>(!schedules.empty() && schedules[0].get() != nullptr,
                                "ChainedScheduler: expected schedules but got none");
            return schedules[0].get()->optimizer();
          }(),
          schedules) {
  set_place(0);
}

void ChainedScheduler::begin() {
  for (std::size_t i = 0; i < schedules().size(); ++i) {
    begin_part(i);
  }
  set_place(0);
}

void ChainedScheduler::restart() {
  reset_lrs();
  begin();
}

void ChainedScheduler::step_parts() {
  for (const std::shared_ptr<LRScheduler>& schedule : schedules()) {
    schedule->step();
  }
  set_place(epoch() + 1);
}

void ChainedScheduler::tell_optimizer() {
  for (std::size_t i = 0; i < schedules().size(); ++i) {
    tell_optimizer_of(i);
  }
  LRScheduler::tell_optimizer();
}

}  // namespace normgrad
