#include "normgrad/data/loader_base.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "normgrad/core/base/error.hpp"
#include "normgrad/data/detail/prefetch.hpp"
#include "normgrad/data/detail/state_entries.hpp"

namespace normgrad {

using detail::whole_number;

namespace {

std::vector<std::int64_t> order_of(const char* loader, const Tensor& entry, std::int64_t size,
                                   std::int64_t num_examples) {
  bool fits = entry.defined() && entry.dtype() == kInt64 && entry.shape() == Shape{size};
  std::vector<std::int64_t> order = fits ? entry.to_vector<std::int64_t>() : std::vector<std::int64_t>();
  fits = fits && std::all_of(order.begin(), order.end(), [&](std::int64_t i) { return i >= 0 && i < num_examples; });
  require<ValueError>(fits, loader, ": load_state_dict: expected 'order' to hold ", size, " indices of examples below ",
                      num_examples);
  return order;
}

const std::string kOfSampler = "sampler.";  // prefix of the sampler's entries

}  // namespace

detail::BatchSource::~BatchSource() = default;

LoaderBase::LoaderBase(const char* name, std::shared_ptr<const detail::BatchSource> source,
                       const DataLoaderOptions& options)
    : name_(name), source_(std::move(source)), options_(options) {
  require<ValueError>(options.batch_size >= 1, name_, ": expected batch_size >= 1 but got ", options.batch_size);
  require<ValueError>(options.num_workers >= 0, name_, ": expected num_workers >= 0 but got ", options.num_workers);
  require<ValueError>(options.prefetch_factor >= 1, name_, ": expected prefetch_factor >= 1 but got ",
                      options.prefetch_factor);
  require<ValueError>(!options.shuffle || options.sampler == nullptr, name_,
                      ": expected shuffle or a sampler but got both; a RandomSampler shuffles");
  const std::int64_t size = options.sampler != nullptr ? options.sampler->size() : source_->size();
  num_batches_ = size / options.batch_size + (size % options.batch_size != 0 && !options.drop_last ? 1 : 0);
  require<ValueError>(num_batches_ > 0, name_, ": expected a dataset of at least ",
                      options.drop_last ? options.batch_size : 1, " examples but got ", size,
                      options.drop_last && size > 0 ? "; without drop_last the smaller batch is kept" : "");
  seed_ = detail::seed_or_global(options.seed);
  own_sampler_ = options_.sampler == nullptr;
  if (own_sampler_) {
    options_.sampler = own_sampler(seed_);
  }
}

std::shared_ptr<Sampler> LoaderBase::own_sampler(std::uint64_t seed) const {
  if (options_.shuffle) {
    return std::make_shared<RandomSampler>(source_->size(), RandomSamplerOptions{.seed = seed});
  }
  return std::make_shared<SequentialSampler>(source_->size());
}

void LoaderBase::set_epoch(std::int64_t epoch) {
  require<ValueError>(epoch >= 0, name_, ": expected epoch >= 0 but got ", epoch);
  epoch_ = epoch;
  first_batch_ = 0;
  first_order_.clear();
  position_ = nullptr;
}

std::int64_t LoaderBase::num_examples() const noexcept { return source_->size(); }

std::int64_t LoaderBase::last_batch_size() const noexcept {
  const std::int64_t rest = options_.sampler->size() % options_.batch_size;
  return options_.drop_last || rest == 0 ? options_.batch_size : rest;
}

std::vector<std::int64_t> LoaderBase::order_of_next_epoch() const {
  if (!first_order_.empty()) {
    return first_order_;
  }
  std::vector<std::int64_t> next = order(epoch_);
  const std::int64_t size = options_.sampler->size();
  require<ValueError>(static_cast<std::int64_t>(next.size()) == size, name_, ": expected an order of ", size,
                      " examples, as many as the sampler's size(), for epoch ", epoch_, " but got ", next.size());
  return next;
}

std::vector<std::int64_t> LoaderBase::order(std::int64_t epoch) const { return options_.sampler->order(epoch); }

detail::Loop LoaderBase::begin_loop() {
  detail::Loop loop;
  loop.plan_ = std::make_shared<const detail::EpochPlan>(detail::EpochPlan{.loader = name_,
                                                                           .source = source_,
                                                                           .order = order_of_next_epoch(),
                                                                           .batch_size = options_.batch_size,
                                                                           .seed = seed_,
                                                                           .epoch = epoch_});
  loop.position_ = std::make_shared<detail::LoopPosition>(
      detail::LoopPosition{.epoch = epoch_, .next_batch = first_batch_, .plan = loop.plan_});
  loop.num_batches_ = num_batches_;
  loop.batch_ = first_batch_;
  if (options_.num_workers > 0) {
    loop.prefetcher_ =
        detail::make_prefetcher(loop.plan_, loop.batch_, num_batches_, options_.num_workers, options_.prefetch_factor);
  }
  position_ = loop.position_;
  ++epoch_;
  first_batch_ = 0;
  first_order_.clear();
  if (loop.batch_ == num_batches_) {
    *position_ = {.epoch = epoch_, .next_batch = 0};
  }
  return loop;
}

StateDict LoaderBase::state_dict() const {
  const detail::LoopPosition position =
      position_ != nullptr ? *position_ : detail::LoopPosition{.epoch = epoch_, .next_batch = first_batch_};
  StateDict state = {{"epoch", whole_number(position.epoch)},
                     {"batch", whole_number(position.next_batch)},
                     {"batch_size", whole_number(options_.batch_size)},
                     {"num_examples", whole_number(num_examples())},
                     {"drop_last", whole_number(options_.drop_last ? 1 : 0)},
                     {"shuffle", whole_number(options_.shuffle ? 1 : 0)},
                     {"seed", whole_number(std::bit_cast<std::int64_t>(seed_))},
                     {"sampler", whole_number(own_sampler_ ? 0 : 1)}};
  if (!own_sampler_) {
    for (const auto& [name, value] : options_.sampler->state_dict()) {
      state[kOfSampler + name] = value.clone();
    }
    // A sampler that has changed since would continue in another order.
    const std::vector<std::int64_t>& under_way = position.plan != nullptr ? position.plan->order : first_order_;
    if (!under_way.empty() && under_way != order(position.epoch)) {
      state["order"] = detail::whole_numbers(under_way);
    }
  }
  return state;
}

std::int64_t LoaderBase::entry_of(const StateDict& state, const char* name) const {
  const auto found = state.find(name);
  require<ValueError>(
      found != state.end() && found->second.defined() && found->second.dtype() == kInt64 && found->second.numel() == 1,
      name_, ": load_state_dict: expected a whole number '", name, "'");
  return *found->second.data<std::int64_t>();
}

LoaderBase::Start LoaderBase::start_of(const StateDict& state) const {
  const StateDict own = state_dict();
  Start start;
  for (const auto& [name, value] : state) {
    if (!own_sampler_ && name.starts_with(kOfSampler)) {
      start.of_sampler[name.substr(kOfSampler.size())] = value;
    } else if (!own_sampler_ && name == "order") {
      start.order = order_of(name_, value, options_.sampler->size(), num_examples());
    } else {
      require<ValueError>(own.contains(name), name_, ": load_state_dict: unexpected entry '", name, "'");
    }
  }
  for (const char* name : {"batch_size", "num_examples", "drop_last", "shuffle", "seed", "sampler"}) {
    if (name == std::string("seed") && !options_.seed) {
      continue;
    }
    require<ValueError>(entry_of(state, name) == entry_of(own, name), name_, ": load_state_dict: expected ", name, " ",
                        entry_of(own, name), " but the state is from a loader with ", entry_of(state, name),
                        ", which makes other batches");
  }
  start.epoch = entry_of(state, "epoch");
  start.batch = entry_of(state, "batch");
  require<ValueError>(start.epoch >= 0 && start.batch >= 0 && start.batch <= num_batches_, name_,
                      ": load_state_dict: expected epoch >= 0 and a batch in [0, ", num_batches_, "] but got ",
                      start.epoch, " and ", start.batch);
  start.seed = std::bit_cast<std::uint64_t>(entry_of(state, "seed"));
  if (own_sampler_ && start.seed != seed_) {
    start.own_sampler = own_sampler(start.seed);
  }
  return start;
}

void LoaderBase::go_on(Start& start) noexcept {
  if (start.own_sampler != nullptr) {
    options_.sampler.swap(start.own_sampler);
  }
  seed_ = start.seed;
  epoch_ = start.epoch;
  first_batch_ = start.batch;
  first_order_.swap(start.order);
  position_ = nullptr;
}

void LoaderBase::load_state_dict(const StateDict& state) {
  Start start = start_of(state);
  if (!own_sampler_) {
    options_.sampler->load_state_dict(start.of_sampler);
  }
  go_on(start);
}

std::function<void()> LoaderBase::prepare_state_dict(const StateDict& state) {
  Start start = start_of(state);
  std::function<void()> load_sampler = [] {};
  if (!own_sampler_) {
    load_sampler = options_.sampler->prepare_state_dict(start.of_sampler);
    if (!load_sampler) {
      return {};
    }
  }
  return [this, load_sampler = std::move(load_sampler), start = std::move(start)]() mutable {
    load_sampler();
    go_on(start);
  };
}

std::shared_ptr<const void> detail::Loop::batch() {
  require<IndexError>(position_ != nullptr && !is_at_end(), "loader: expected a batch but the epoch is at its end");
  failed_ = true;
  position_->next_batch = batch_;
  std::shared_ptr<const void> made = prefetcher_ != nullptr ? prefetcher_->batch(batch_) : plan_->batch(batch_);
  failed_ = false;
  position_->next_batch = batch_ + 1;
  return made;
}

void detail::Loop::advance() {
  if (std::exchange(failed_, false)) {
    return;
  }
  position_->next_batch = ++batch_;
  if (batch_ == num_batches_) {
    *position_ = {.epoch = position_->epoch + 1, .next_batch = 0};
  }
}

}  // namespace normgrad
