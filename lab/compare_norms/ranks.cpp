#include "lab/compare_norms/ranks.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "lab/worker_pool.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

using namespace normgrad;

namespace {

// The build and the data, separated by a line break.
std::string difference(const std::vector<std::string>& texts) {
  const auto halves = [](const std::string& text) {
    const std::size_t end = text.find('\n');
    return std::vector<std::string>{text.substr(0, end), text.substr(end + 1)};
  };
  const std::vector<std::string> first = halves(texts[0]);
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    const std::vector<std::string> own = halves(texts[rank]);
    for (const std::size_t i : {0U, 1U}) {
      if (own[i] != first[i]) {
        return detail::concat("expected the same ", i == 0 ? "build" : "data", " on all ranks but rank 0 has '",
                              first[i], "' and rank ", rank, " has '", own[i], "'");
      }
    }
  }
  return "";
}

}  // namespace

void leave_to_first(const lab::Launch& launch) {
  if (launch.rank != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::exit(2);
  }
}

SweepRanks::SweepRanks(lab::Launch launch, Options& options) : launch_(std::move(launch)), options_(options) {
  if (launch_.size > 1) {
    const int online = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const int share = std::max(1, std::min(lab::num_processors(), online / launch_.local_size));
    options.jobs = options.jobs.value_or(share);
    options.threads = options.threads.value_or(std::max(1, share / *options.jobs));
  }
}

void SweepRanks::lock_folder() {
  lab::make_folder("--out", options_.out / "runs");
  if (is_first()) {
    lock_.emplace(options_.out / "runs");
  }
}

void SweepRanks::prepare(const std::function<std::string()>& part) {
  if (launch_.size == 1) {
    part();
    lock_folder();
    return;
  }
  try {
    lock_folder();
    meeting_.emplace(launch_, options_.out / "runs");
  } catch (const Error&) {
    leave_to_first(launch_);
    throw;
  }
  std::string text;
  try {
    text = lab::build_fingerprint() + "\n" + part();
  } catch (const std::exception& error) {
    text = std::string("error: ") + error.what();
  }
  const std::string error = meeting_->agree(text, [this](const std::vector<std::string>& texts) {
    std::string error_of_all = difference(texts);
    if (error_of_all.empty() && options_.fresh) {
      for (const auto& entry : std::filesystem::directory_iterator(options_.out / "runs")) {
        if (entry.path().extension() == ".json") {
          std::filesystem::remove(entry.path());
        }
      }
    }
    return error_of_all;
  });
  if (!error.empty()) {
    leave_to_first(launch_);
    fail<ValueError>(error);
  }
  options_.fresh = false;
}

void SweepRanks::once(bool complete, const std::function<void()>& part) const {
  if (meeting_ && complete) {
    meeting_->once(part);
  } else {
    part();
  }
}

}  // namespace compare_norms
