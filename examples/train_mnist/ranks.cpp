#include "examples/train_mnist/ranks.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#ifdef NORMGRAD_HAS_DIST
#include "normgrad/dist.hpp"
#endif

namespace train_mnist {

using namespace normgrad;

#ifdef NORMGRAD_HAS_DIST

namespace {

ProcessGroup ranks_of_run() { return ProcessGroup::world(); }

}  // namespace

Ranks::Ranks(bool distributed) : distributed_(distributed) {}

int Ranks::rank() const { return distributed_ ? ranks_of_run().rank() : 0; }
int Ranks::size() const { return distributed_ ? ranks_of_run().size() : 1; }

void Ranks::prepare(const std::function<void()>& part) const {
  if (!distributed_) {
    part();
    return;
  }
  std::string error;
  try {
    part();
  } catch (const std::exception& e) {
    error = *e.what() == '\0' ? "an unknown error" : e.what();
  }
  const std::vector<std::string> errors = ranks_of_run().all_gather_object(error);
  for (std::size_t other = 0; other < errors.size(); ++other) {
    if (!errors[other].empty()) {
      if (!is_first()) {
        throw ErrorElsewhere();
      }
      fail<ValueError>(other == 0 ? "" : "rank " + std::to_string(other) + ": ", errors[other]);
    }
  }
}

void Ranks::check_same(const std::string& what, const std::string& text) const {
  if (!distributed_) {
    return;
  }
  const std::vector<std::string> texts = ranks_of_run().all_gather_object(text);
  for (std::size_t other = 1; other < texts.size(); ++other) {
    if (texts[other] != texts[0]) {
      if (!is_first()) {
        throw ErrorElsewhere();
      }
      fail<ValueError>("--distributed: expected the same ", what, " on all ranks but rank 0 has '", texts[0],
                       "' and rank ", other, " has '", texts[other], "'");
    }
  }
}

std::shared_ptr<Sampler> Ranks::sampler(std::int64_t images, std::uint64_t seed) const {
  if (!distributed_) {
    return nullptr;
  }
  return std::make_shared<DistributedSampler>(images, DistributedSamplerOptions{.drop_last = true, .seed = seed});
}

void Ranks::attach(Module& model) {
  if (distributed_) {
    convert_sync_batchnorm(model);
    data_parallel_ = std::make_shared<DistributedDataParallel>(model);
  }
}

void Ranks::share(const std::function<StateDict()>& state, const std::function<void(const StateDict&)>& load) const {
  if (distributed_) {
    const StateDict first = ranks_of_run().broadcast_object(is_first() ? state() : StateDict());
    if (!is_first()) {
      load(first);
    }
  }
}

double Ranks::mean(double value) const {
  return distributed_ ? ranks_of_run().all_reduce(full({}, value, {.dtype = kFloat64}), ReduceOp::mean).item() : value;
}

std::int64_t Ranks::sum(std::int64_t value) const {
  return distributed_ ? ranks_of_run().all_reduce(full({}, value, {.dtype = kInt64})).item<std::int64_t>() : value;
}

#else

Ranks::Ranks(bool distributed) : distributed_(distributed) {
  require<ValueError>(!distributed,
                      "--distributed: this build has no MPI; install libopenmpi-dev and openmpi-bin, and "
                      "build again");
}

int Ranks::rank() const { return 0; }
int Ranks::size() const { return 1; }
void Ranks::prepare(const std::function<void()>& part) const { part(); }
void Ranks::check_same(const std::string& /*what*/, const std::string& /*text*/) const {}
std::shared_ptr<Sampler> Ranks::sampler(std::int64_t /*images*/, std::uint64_t /*seed*/) const { return nullptr; }
void Ranks::attach(Module& /*model*/) {}
void Ranks::share(const std::function<StateDict()>& /*state*/,
                  const std::function<void(const StateDict&)>& /*load*/) const {}
double Ranks::mean(double value) const { return value; }
std::int64_t Ranks::sum(std::int64_t value) const { return value; }

#endif

ErrorsToFile::ErrorsToFile(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0666);
  require<IoError>(file >= 0, "--rank-logs: '", path.string(), "' cannot be written: ", std::strerror(errno));
  before_ = dup(STDERR_FILENO);
  dup2(file, STDERR_FILENO);
  close(file);
}

ErrorsToFile::~ErrorsToFile() {
  dup2(before_, STDERR_FILENO);
  close(before_);
}

}  // namespace train_mnist
