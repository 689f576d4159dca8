// Checkpoints: all that a run is, in one file, so that it goes on where it stopped as if it had not.
//
//   const CheckpointParts run = {{"model", net}, {"optimizer", optimizer}, {"loader", batches}};
//   resume_checkpoint("run.ckpt", run);  // nothing at the first start
//   while (batches.epoch() < epochs) {
//     for (const auto& [images, labels] : batches) {
//       ...
//       save_checkpoint("run.ckpt", run);  // after any step
//     }
//   }
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// One object of a run, under a name. Refers to the object, which must live on.
class CheckpointPart {
 public:
  /// Anything with state_dict() and load_state_dict(state): models, optimizers, schedules, loaders, averages of
  /// weights. The name is made of letters, digits, '_' and '-'; ValueError otherwise.
  template <class T>
  requires requires(T& object, const StateDict& state) {
    { object.state_dict() } -> std::convertible_to<StateDict>;
    object.load_state_dict(state);
  }
  CheckpointPart(std::string name, T& object)  // NOLINT(google-explicit-constructor)
      : CheckpointPart(
            std::move(name), [&object] { return object.state_dict(); },
            [&object](const StateDict& state) { object.load_state_dict(state); }) {}
  /// A generator besides the default one.
  CheckpointPart(const std::string& name, Generator& generator);
  /// Numbers of the program, such as its best result so far.
  CheckpointPart(std::string name, std::int64_t& number);
  CheckpointPart(std::string name, double& number);
  CheckpointPart(std::string name, std::function<StateDict()> save, std::function<void(const StateDict&)> load);

  /// What the part is called in the file.
  const std::string& name() const noexcept { return name_; }
  /// The object's state, and back.
  StateDict save() const { return save_(); }
  void load(const StateDict& state) const { load_(state); }

 private:
  std::string name_;
  std::function<StateDict()> save_;
  std::function<void(const StateDict&)> load_;
};
/// All that a run is, besides the default generator.
using CheckpointParts = std::vector<CheckpointPart>;

/// How load_checkpoint() takes a file.
struct CheckpointOptions {
  /// Load the parts that are given from a file that may hold more, and leave the default generator alone: to evaluate a
  /// model, for example.
  bool partial = false;
};

/// Writes the parts and the default generator. The file is written aside ("<path>.partial"), synced and renamed, and
/// the folder is synced: whatever happens, `path` is the previous checkpoint or this one. It is a safetensors file with
/// a checksum, whose tensors are called "<part>.<key>". Throws ValueError for parts of the same name, IoError when the
/// file cannot be written.
void save_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts);

/// Reads the same parts, and sets the default generator. Nothing is changed unless all fits: throws IoError when the
/// file cannot be read, is damaged or is no checkpoint, ValueError when its parts are others or one does not take its
/// state.
void load_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts, CheckpointOptions options = {});

/// load_checkpoint() if there is such a file; whether there was one.
bool resume_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts);

}  // namespace normgrad
