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
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normgrad/core/autograd/state_dict.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

/// Something that a run's numbers depend on and that is not saved itself, as text: {"data", RunProperty{
/// data_fingerprint(train_set)}}. A checkpoint keeps the text, and is not loaded where it is another.
struct RunProperty {
  std::string value;  ///< any text in UTF-8
};

namespace detail {
template <class C, class F>
C* class_of_member(F C::*);

/// Whether T's load_state_dict() and prepare_state_dict() are members of one class: a class that has a
/// load_state_dict() of its own does not load what its base has prepared.
template <class T>
concept PreparesStateDict = requires {
  class_of_member(&T::load_state_dict);
  class_of_member(&T::prepare_state_dict);
  requires std::same_as<decltype(class_of_member(&T::load_state_dict)),
                        decltype(class_of_member(&T::prepare_state_dict))>;
};
}  // namespace detail

/// One object of a run, under a name. Refers to the object, which must live on.
class CheckpointPart {
 public:
  /// Anything with state_dict() and load_state_dict(state): models, optimizers, schedules, loaders, averages of
  /// weights. Where the class that declares load_state_dict() also declares `std::function<void()>
  /// prepare_state_dict(const StateDict&)`, which checks all, changes nothing and returns what loads the state without
  /// throwing, that is used. The name is made of letters, digits, '_'
  /// and '-'; ValueError otherwise.
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
    }
  }
  /// A generator besides the default one.
  CheckpointPart(const std::string& name, Generator& generator);
  /// Numbers of the program, such as its best result so far.
  CheckpointPart(std::string name, std::int64_t& number);
  CheckpointPart(std::string name, double& number);
  /// What must be the same when the run goes on.
  CheckpointPart(std::string name, RunProperty property);
  /// Functions of the program's own. Where `load` throws, it is called again with what `save` gave before.
  CheckpointPart(std::string name, std::function<StateDict()> save, std::function<void(const StateDict&)> load);

  /// What the part is called in the file.
  const std::string& name() const noexcept { return name_; }
  /// The object's state, and back.
  StateDict save() const { return save_(); }
  void load(const StateDict& state) const { load_(state); }
  /// What loads the state and throws nothing, once all has been checked; empty for a part that cannot tell beforehand.
  std::function<void()> prepare(const StateDict& state) const {
    return prepare_ ? prepare_(state) : std::function<void()>();
  }
  /// Of a part that is a property.
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
};
/// All that a run is, besides the default generator.
using CheckpointParts = std::vector<CheckpointPart>;

/// How load_checkpoint() takes a file.
struct CheckpointOptions {
  /// Load the parts that are given from a file that may hold more, and leave the default generator alone: to evaluate a
  /// model, for example.
  bool partial = false;
  /// Go on where run_conditions() or properties are others, with a warning in the log: the numbers will not be those of
  /// a run that was not stopped.
  bool anyway = false;
};

/// What the bits of a run depend on besides its program, by name: "library" (its version), "instruction_set" (of the
/// kernels) and "onednn" (its version, and the instruction set that it may use). The number of threads is none of them.
std::map<std::string, std::string> run_conditions();

/// Writes the parts, the default generator and run_conditions(). The file is written aside under a name of its own
/// ("<path>.<16 hexadecimal digits>.partial"), synced and renamed, and the folder is synced: whatever happens, `path`
/// is the previous checkpoint or this one, also where several programs write to it. Its permissions stay. What a killed
/// program has left of such a file is removed by the next one that saves to `path`. It is a safetensors file with a
/// checksum, whose tensors are called "<part>.<key>". Throws ValueError for parts of the same name, IoError when the
/// file cannot be written.
void save_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts);

/// Reads the same parts, and sets the default generator. Nothing is changed unless all fits: throws IoError when the
/// file cannot be read, is damaged or is no checkpoint, ValueError when its parts are others, one does not take its
/// state, or the run was begun under other conditions (see CheckpointOptions::anyway). All is read and checked first;
/// then the parts that can throw while they load (see CheckpointPart) are loaded, and are given back what they were
/// should one of them do so; then the others, which cannot.
void load_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts, CheckpointOptions options = {});

/// load_checkpoint() if there is such a file; whether there was one.
bool resume_checkpoint(const std::filesystem::path& path, const CheckpointParts& parts, CheckpointOptions options = {});

/// In which conditions and properties the run of a checkpoint differs from this one, a line of each that begins with
/// the end of the line before: "\n  instruction_set: was avx2, is avx512". Empty: in none. Throws IoError as
/// load_checkpoint() does.
std::string checkpoint_differences(const std::filesystem::path& path, const CheckpointParts& parts);

}  // namespace normgrad
