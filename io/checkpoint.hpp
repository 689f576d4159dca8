// Checkpoints: the whole state of a run in one file, from which the run resumes as if it had never stopped.
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
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/file_path.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// A value, as text, that determines a run's results but is not itself saved: {"data", RunProperty{
/// data_fingerprint(train_set)}}. A checkpoint stores the text and is not loaded if it differs.
struct RunProperty {
  std::string value;  ///< any UTF-8 text
};

namespace detail {
template <class C, class F>
C* class_of_member(F C::*);

/// Whether T's load_state_dict() and prepare_state_dict() are members of the same class: a class that overrides only
/// load_state_dict() does not load what its base prepares.
template <class T>
concept PreparesStateDict = requires(T& object, const StateDict& state) {
  { object.prepare_state_dict(state) } -> std::convertible_to<std::function<void()>>;
  class_of_member(&T::load_state_dict);
  class_of_member(&T::prepare_state_dict);
  requires std::same_as<decltype(class_of_member(&T::load_state_dict)),
                        decltype(class_of_member(&T::prepare_state_dict))>;
};
}  // namespace detail

/// A named object of a run. Holds a reference to the object, which must outlive it.
class CheckpointPart {
 public:
  /// Accepts any object with state_dict() and load_state_dict(state): models, optimizers, schedules, loaders, averaged
  /// weights. Uses `std::function<void()> prepare_state_dict(const StateDict&)` if the class that declares
  /// load_state_dict() also declares it; that function must check everything, change nothing, and return a function
  /// that loads the state without throwing. Throws ValueError unless the name consists of letters, digits, '_' and '-'.
  template <class T>
  requires requires(T& object, const StateDict& state) {
    { object.state_dict() } -> std::convertible_to<StateDict>;
    object.load_state_dict(state);
  }
  CheckpointPart(std::string name, T& object)  // NOLINT(google-explicit-constructor)
      : CheckpointPart(
            std::move(name), [&object] { return object.state_dict(); },
            [&object](const StateDict& state) { object.load_state_dict(state); }) {
    if constexpr (detail::PreparesStateDict<T>) {
      prepare_ = [&object](const StateDict& state) { return object.prepare_state_dict(state); };
      commits_last_ = requires { T::kCommitsLast; };
    }
  }
  /// A generator other than the default one.
  CheckpointPart(const std::string& name, Generator& generator);
  /// A number of the program, such as its best result so far.
  CheckpointPart(std::string name, std::int64_t& number);
  CheckpointPart(std::string name, double& number);
  /// A property that must be the same when the run resumes.
  CheckpointPart(std::string name, RunProperty property);
  /// Functions of the program. If `load` throws, it is called again with the previous result of `save`.
  CheckpointPart(std::string name, std::function<StateDict()> save, std::function<void(const StateDict&)> load);

  /// Returns the part's name in the file.
  const std::string& name() const noexcept { return name_; }
  /// Save and load the object's state.
  StateDict save() const { return save_(); }
  void load(const StateDict& state) const { load_(state); }
  /// Returns a function that loads the state without throwing, after everything has been checked. Empty for a part that
  /// cannot check beforehand.
  std::function<void()> prepare(const StateDict& state) const {
    return prepare_ ? prepare_(state) : std::function<void()>();
  }
  /// Returns whether the part has prepare(), is independent of all other parts, and cannot take back a load: files,
  /// generators and numbers.
  bool commits_last() const noexcept { return commits_last_; }
  /// Returns whether prepare() can be called.
  bool prepares() const noexcept { return static_cast<bool>(prepare_); }
  /// Returns the property, for a part that is one.
  const std::optional<RunProperty>& property() const noexcept { return property_; }

 private:
  using Commit = std::function<void()>;
  CheckpointPart(std::string name, std::function<StateDict()> save, std::function<Commit(const StateDict&)> prepare,
                 std::optional<RunProperty> property);

  std::string name_;
  std::function<StateDict()> save_;
  std::function<void(const StateDict&)> load_;
  std::function<Commit(const StateDict&)> prepare_;
  std::optional<RunProperty> property_;
  bool commits_last_ = false;
};
/// All parts of a run except the default generator.
using CheckpointParts = std::vector<CheckpointPart>;

/// Options of load_checkpoint().
struct CheckpointOptions {
  /// Load the given parts from a file that may hold more, and leave the default generator alone, for example to
  /// evaluate a model.
  bool partial = false;
  /// Resume although run_conditions() or properties differ, with a warning in the log. The results will differ from
  /// those of an uninterrupted run.
  bool anyway = false;
};

/// Returns the conditions besides the program that determine a run's results bit for bit: "library" (its version),
/// "instruction_set" (of the kernels) and "onednn" (its version and permitted instruction set). The number of threads
/// is not among them.
std::map<std::string, std::string> run_conditions();

/// Writes the parts, the default generator and run_conditions() to a safetensors file with a checksum. Its tensors are
/// named "<part>.<key>". The file is written under a unique temporary name ("<path>.<16 hexadecimal digits>.partial"),
/// synced and renamed, and the folder is synced: whatever happens, `path` is either the previous checkpoint or this
/// one, even if several programs write to it. The permissions of an existing file are kept. A temporary file left by a
/// killed program is removed by the next save to `path`. Throws ValueError for parts with the same name, and IoError if
/// the file cannot be written.
void save_checkpoint(const FilePath& path, const CheckpointParts& parts);

/// Reads the same parts and restores the default generator. Throws IoError if the file cannot be read, is damaged, or
/// is not a checkpoint. Throws ValueError if its parts differ, a part rejects its state, or the run was started under
/// other conditions (see CheckpointOptions::anyway). Nothing is changed on an error: if every part can check its state
/// beforehand (see CheckpointPart), all are checked and then loaded. Otherwise models, optimizers, loaders and
/// functions are loaded in the order of `parts`, so that a function may change what comes after it, and restored if one
/// of them throws; files, generators and numbers follow.
void load_checkpoint(const FilePath& path, const CheckpointParts& parts, CheckpointOptions options = {});

/// Calls load_checkpoint() if the file exists. Returns whether it does.
bool resume_checkpoint(const FilePath& path, const CheckpointParts& parts, CheckpointOptions options = {});

/// Returns the conditions and properties in which the run of a checkpoint differs from this one, one line for each,
/// preceded by a newline: "\n instruction_set: was avx2, is avx512". Empty if there are none. Throws IoError like
/// load_checkpoint().
std::string checkpoint_differences(const FilePath& path, const CheckpointParts& parts);

}  // namespace normgrad
