// The processes of a run: one, or with --distributed those that mpirun has started.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "normgrad/normgrad.hpp"

namespace train_mnist {

/// An error of another rank, which prints it.
struct ErrorElsewhere {};

class Ranks {
 public:
  /// Throws ValueError for a distributed run in a build without MPI.
  explicit Ranks(bool distributed);

  int rank() const;
  int size() const;
  bool is_first() const { return rank() == 0; }

  /// Runs a part of the preparation on all ranks. An error on one is an error of all: rank 0 throws the first one, as a
  /// ValueError, and the others ErrorElsewhere.
  void prepare(const std::function<void()>& part) const;
  /// Throws unless all ranks have the same text, as prepare() does. `what` is for the message.
  void check_same(const std::string& what, const std::string& text) const;

  /// The images of this rank in each epoch; null for a run of one process, which shuffles them itself.
  std::shared_ptr<normgrad::Sampler> sampler(std::int64_t images, std::uint64_t seed) const;
  /// Makes the model train as that of one process: norms over all ranks, the mean of the gradients.
  void attach(normgrad::Module& model);
  /// Gives the other ranks the state of rank 0.
  void share(const std::function<normgrad::StateDict()>& state,
             const std::function<void(const normgrad::StateDict&)>& load) const;

  double mean(double value) const;
  std::int64_t sum(std::int64_t value) const;

 private:
  bool distributed_;
  std::shared_ptr<void> data_parallel_;
};

/// While this exists, standard error goes to a file, which is appended to.
class ErrorsToFile {
 public:
  /// Throws IoError if the file cannot be written.
  explicit ErrorsToFile(const std::filesystem::path& path);
  ErrorsToFile(const ErrorsToFile&) = delete;
  ErrorsToFile& operator=(const ErrorsToFile&) = delete;
  ~ErrorsToFile();

 private:
  int before_ = -1;
};

}  // namespace train_mnist
