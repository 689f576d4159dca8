#include "normgrad/io/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/detail/safetensors_format.hpp"
#include "normgrad/io/metrics_file.hpp"
#include "normgrad/io/safetensors.hpp"
#include "normgrad/layers/linear.hpp"
#include "normgrad/optim/sgd.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::file_text;
using tests::run_program;
using tests::write_text;

class CheckpointTest : public testing::Test {
 protected:
  /// The message without its prefix.
  template <class E>
  std::string error(const CheckpointParts& parts, CheckpointOptions options = {}) {
    const std::string text = error_of<E>([&] { load_checkpoint(path_, parts, options); });
    const std::string start = "load_checkpoint: '" + path_.string() + "': ";
    EXPECT_THAT(text, testing::StartsWith(start));
    return text.substr(std::min(text.size(), start.size()));
  }

  const tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "run.ckpt";
};

TEST_F(CheckpointTest, GivesEveryPartBack) {
  manual_seed(5);
  default_generator()();
  Linear net(3, 2);
  SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  net(ones({4, 3})).sum().backward();
  optimizer.step();
  Generator noise(0xffff'ffff'ffff'fff0);
  noise.set_position((std::uint64_t{1} << 63) + 5);
  std::int64_t step = INT64_MAX;
  double best = 0.1 + 0.2;
  const CheckpointParts parts = {
      {"model", net}, {"optimizer", optimizer}, {"noise", noise}, {"step", step}, {"best", best}};
  save_checkpoint(path_, parts);
  const std::vector<float> weight = net.weight.to_vector<float>();
  const std::uint32_t next = default_generator()();
  const std::uint32_t next_noise = noise();

  net(ones({4, 3})).sum().backward();
  optimizer.step();
  step = 0;
  best = 0.0;
  load_checkpoint(path_, parts);
  EXPECT_EQ(net.weight.to_vector<float>(), weight);
  EXPECT_EQ(default_generator()(), next);
  EXPECT_EQ(noise(), next_noise);
  EXPECT_EQ(noise.seed(), 0xffff'ffff'ffff'fff0);
  EXPECT_EQ(step, INT64_MAX);
  EXPECT_EQ(best, 0.1 + 0.2);
  EXPECT_TRUE(optimizer.state_dict().contains("state.0.momentum_buffer"));
}

TEST_F(CheckpointTest, IsASafetensorsFile) {
  Linear net(3, 2);
  save_checkpoint(path_, {{"model", net}});
  const Safetensors file = load_safetensors(path_);
  EXPECT_EQ(file.tensors.at("model.weight").to_vector<float>(), net.weight.to_vector<float>());
  EXPECT_EQ(file.metadata.at("parts"), "model,default_generator");
}

TEST_F(CheckpointTest, ResumesOnlyWhatIsThere) {
  double value = 1.0;
  const CheckpointParts parts = {{"value", value}};
  EXPECT_FALSE(resume_checkpoint(path_, parts));
  save_checkpoint(path_, parts);
  value = 2.0;
  EXPECT_TRUE(resume_checkpoint(path_, parts));
  EXPECT_EQ(value, 1.0);
  write_text(path_, "");
  EXPECT_THROW(resume_checkpoint(path_, parts), IoError);
}

TEST_F(CheckpointTest, LoadsSomePartsAndLeavesTheGenerator) {
  Linear net(3, 2);
  double best = 3.0;
  save_checkpoint(path_, {{"model", net}, {"best", best}});
  manual_seed(9);
  const std::uint64_t position = default_generator().position();
  Linear other(3, 2);
  const std::uint64_t drawn = default_generator().position();
  EXPECT_GT(drawn, position);
  load_checkpoint(path_, {{"model", other}}, {.partial = true});
  EXPECT_EQ(other.weight.to_vector<float>(), net.weight.to_vector<float>());
  EXPECT_EQ(default_generator().position(), drawn);
  EXPECT_EQ(default_generator().seed(), 9U);
}

TEST_F(CheckpointTest, RefusesOtherPartsAndChangesNothing) {
  Linear net(3, 2);
  double best = 3.0;
  save_checkpoint(path_, {{"best", best}, {"model", net}});
  best = 4.0;
  EXPECT_EQ(error<ValueError>({{"best", best}}),
            "expected the parts best,default_generator but the file has best,model,default_generator");
  EXPECT_EQ(error<ValueError>({{"best", best}, {"net", net}}),
            "expected the parts best,net,default_generator but the file has best,model,default_generator");
  EXPECT_EQ(error<ValueError>({{"mode", best}}, {.partial = true}),
            "expected the parts mode but the file has best,model,default_generator");
  Linear wide(4, 2);
  manual_seed(77);
  EXPECT_EQ(error<ValueError>({{"best", best}, {"model", wide}}),
            "part 'model': Linear: load_state_dict: the state does not fit; nothing was loaded\n"
            "  of another shape: weight: expected [2, 4] but got [2, 3]");
  EXPECT_EQ(best, 4.0) << "it was loaded before the model, which did not fit";
  std::int64_t count = 5;
  EXPECT_EQ(error<ValueError>({{"best", count}, {"model", net}}), "part 'best': 'best': expected one int64 'value'");
  EXPECT_EQ(count, 5);
  EXPECT_EQ(default_generator().seed(), 77U);
}

// Whatever is thrown, and by whichever part, the other parts are unchanged.
TEST_F(CheckpointTest, APartThatThrowsLeavesTheOthersAsTheyWere) {
  Linear net(3, 2);
  SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  double best = 1.0;
  CsvFile csv(folder_ / "metrics.csv");
  csv.write({{"step", 1}});
  std::function<void()> refuse = [] {};
  const CheckpointPart own = {"own", [] { return StateDict(); }, [&](const StateDict&) { refuse(); }};
  const std::vector<CheckpointParts> orders = {
      {own, {"model", net}, {"optimizer", optimizer}, {"best", best}, {"csv", csv}},
      {{"model", net}, {"optimizer", optimizer}, {"best", best}, {"csv", csv}, own}};
  save_checkpoint(path_, orders[0]);
  {
    const NoGradGuard no_grad;
    net.weight.fill_(7.0);
  }
  optimizer.set_lr(0.3);
  best = 2.0;
  csv.write({{"step", 2}});  // newer rows, which cannot be restored after truncation
  manual_seed(123);
  const std::vector<std::pair<std::function<void()>, std::string>> throwers = {
      {[] { throw IoError("own error"); }, "own error"},
      {[] { throw std::runtime_error("standard"); }, "standard"},
      {[] { throw std::bad_alloc(); }, "there is not enough memory"},
      {[] { std::filesystem::rename("/nowhere", "/nowhere2"); }, "cannot be used: No such file or directory"},
      {[] { throw 5; }, "something was thrown that is no std::exception"}};
  for (const auto& [thrower, text] : throwers) {
    refuse = thrower;
    for (const CheckpointParts& order : orders) {
      EXPECT_EQ(error<ValueError>(order), "part 'own': " + text);
      EXPECT_EQ(net.weight.to_vector<float>(), std::vector<float>(6, 7.0F));
      EXPECT_EQ(optimizer.lr(), 0.3);
      EXPECT_EQ(best, 2.0);
      EXPECT_EQ(file_text(folder_ / "metrics.csv"), "step\n1\n2\n");
      EXPECT_EQ(default_generator().seed(), 123U);
    }
  }
  std::filesystem::remove(folder_ / "metrics.csv");
  refuse = [] {};
  for (const CheckpointParts& order : orders) {
    EXPECT_THAT(error<ValueError>(order), HasSubstr("part 'csv': CsvFile: "));
    EXPECT_EQ(net.weight.to_vector<float>(), std::vector<float>(6, 7.0F));
    EXPECT_EQ(best, 2.0);
  }
}

TEST_F(CheckpointTest, ThePartThatThrowsIsGivenBackItsStateAndOtherFailuresAreTold) {
  std::int64_t half = 0;
  std::int64_t stubborn = 5;
  bool strict = false;
  const auto number = [](std::int64_t value) {
    return StateDict{{"n", Tensor::empty({}, kInt64).fill_(static_cast<double>(value))}};
  };
  const CheckpointParts parts = {{"stubborn", [&] { return number(stubborn); },
                                  [&](const StateDict& state) {
                                    if (strict && state.at("n").item() == 6) {
                                      throw std::runtime_error("takes no 6");
                                    }
                                    stubborn = static_cast<std::int64_t>(state.at("n").item());
                                  }},
                                 {"half", [&] { return number(half); },
                                  [&](const StateDict& state) {
                                    half = static_cast<std::int64_t>(state.at("n").item());
                                    if (strict && half == 0) {
                                      throw std::runtime_error("halfway");
                                    }
                                  }}};
  save_checkpoint(path_, parts);
  half = 3;
  strict = true;
  EXPECT_EQ(error<ValueError>(parts), "part 'half': halfway");
  EXPECT_EQ(half, 3);
  EXPECT_EQ(stubborn, 5);
  stubborn = 6;
  EXPECT_EQ(error<ValueError>(parts), "part 'half': halfway\npart 'stubborn' could not be restored: takes no 6");
  EXPECT_EQ(half, 3);
}

TEST_F(CheckpointTest, GoesOnOnlyUnderTheSameConditions) {
  double value = 1.0;
  const auto run = [&](const std::string& data) {
    return CheckpointParts{{"value", value}, {"data", RunProperty{data}}};
  };
  save_checkpoint(path_, run("60 examples"));
  const Metadata metadata = load_safetensors(path_).metadata;
  for (const auto& [name, now] : run_conditions()) {
    EXPECT_NE(now, "");
    EXPECT_EQ(metadata.at("condition." + name), now);
  }
  EXPECT_EQ(metadata.at("property.data"), "60 examples");
  value = 2.0;
  EXPECT_EQ(checkpoint_differences(path_, run("60 examples")), "");
  EXPECT_EQ(error<ValueError>(run("61 examples")),
            "the run was started under other conditions and would not continue bit for bit:\n"
            "  data: was 60 examples, is 61 examples\n{.anyway = true} continues it anyway");
  EXPECT_EQ(value, 2.0);
  EXPECT_THROW(resume_checkpoint(path_, run("61 examples")), ValueError);
  EXPECT_TRUE(resume_checkpoint(path_, run("61 examples"), {.anyway = true}));
  EXPECT_EQ(value, 1.0);

  for (const auto& [name, now] : run_conditions()) {
    Safetensors file = load_safetensors(path_);
    file.metadata["condition." + name] = "older";
    detail::write_safetensors("test", folder_ / "other", file.tensors, file.metadata, detail::Checksum::yes);
    EXPECT_EQ(checkpoint_differences(folder_ / "other", run("60 examples")), "\n  " + name + ": was older, is " + now);
    EXPECT_THROW(load_checkpoint(folder_ / "other", run("60 examples")), ValueError);
    load_checkpoint(folder_ / "other", {{"value", value}}, {.partial = true});  // to inspect a part, not to resume
    file.metadata.erase("condition." + name);
    detail::write_safetensors("test", folder_ / "other", file.tensors, file.metadata, detail::Checksum::yes);
    EXPECT_EQ(checkpoint_differences(folder_ / "other", run("60 examples")),
              "\n  " + name + ": was not recorded, is " + now);
  }
}

TEST_F(CheckpointTest, RefusesNamesThatDoNotTellPartsApart) {
  double a = 1.0;
  double b = 2.0;
  EXPECT_EQ(error_of<ValueError>([&] {
              save_checkpoint(path_, {{"a", a}, {"a", b}});
            }),
            "save_checkpoint: '" + path_.string() + "': two parts are named 'a'");
  EXPECT_THAT(error_of<ValueError>([&] {
                save_checkpoint(path_, {{"default_generator", a}});
              }),
              HasSubstr("two parts are named 'default_generator'"));
  EXPECT_EQ(error_of<ValueError>([&] { CheckpointPart("a.b", a); }),
            "CheckpointPart: expected a name of letters, digits, '_' and '-' but got 'a.b'");
  EXPECT_THROW(CheckpointPart("", a), ValueError);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(CheckpointTest, RefusesEveryFlippedBitAndEveryTruncation) {
  Linear net(2, 2);
  save_checkpoint(path_, {{"model", net}});
  const std::string bytes = file_text(path_);
  const std::vector<float> weight = net.weight.to_vector<float>();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    write_text(path_, damaged);
    EXPECT_NE(error<IoError>({{"model", net}}), "") << "byte " << i;
    write_text(path_, bytes.substr(0, i));
    EXPECT_NE(error<IoError>({{"model", net}}), "") << "cut off at " << i;
  }
  write_text(path_, bytes + "x");
  EXPECT_THAT(error<IoError>({{"model", net}}), HasSubstr("bytes of data but the file has"));
  std::string damaged = bytes;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  write_text(path_, damaged);
  EXPECT_THAT(error<IoError>({{"model", net}}), testing::ContainsRegex("is damaged: its checksum is [0-9a-f]{8} but"));
  EXPECT_EQ(net.weight.to_vector<float>(), weight);
  save_safetensors(path_, net);
  EXPECT_EQ(error<IoError>({{"model", net}}), "has no checksum");
  EXPECT_EQ(error_of<IoError>([&] {
              load_checkpoint(folder_ / "no", {{"model", net}});
            }),
            "load_checkpoint: '" + (folder_ / "no").string() + "': no such file");
}

/// Saves a checkpoint, lets a second one fail within `fail`, and checks that the first is still valid.
template <class F>
void expect_survives(const std::filesystem::path& path, const std::string& expected, F&& fail) {
  double value = 1.0;
  Linear large(300, 300);
  const CheckpointParts small_run = {{"value", value}};
  save_checkpoint(path, small_run);
  std::string text;
  fail([&] {
    try {
      save_checkpoint(path, {{"value", value}, {"model", large}});
    } catch (const IoError& error) {
      text = error.what();
    }
  });
  EXPECT_EQ(text, "save_checkpoint: '" + path.string() + "': cannot be written: " + expected);
  value = 2.0;
  load_checkpoint(path, small_run);
  EXPECT_EQ(value, 1.0);
  for (const auto& entry : std::filesystem::directory_iterator(path.parent_path())) {
    EXPECT_NE(entry.path().extension(), ".partial");
  }
}

TEST_F(CheckpointTest, TooLargeAFileLeavesThePreviousOne) {
  expect_survives(path_, "File too large", [](auto&& save) {
    rlimit before = {};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small = {.rlim_cur = 100'000, .rlim_max = before.rlim_max};
    auto* handler = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    save();
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  });
}

TEST_F(CheckpointTest, AFullDiskLeavesThePreviousOne) {
  const std::filesystem::path disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=128k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small disk";
  }
  expect_survives(disk / "run.ckpt", "No space left on device", [](auto&& save) { save(); });
  umount(disk.c_str());
}

TEST_F(CheckpointTest, AFolderThatCannotBeWrittenLeavesThePreviousOne) {
  const std::filesystem::path locked = folder_ / "locked";
  std::filesystem::create_directory(locked);
  expect_survives(locked / "run.ckpt", "Permission denied", [&](auto&& save) {
    chmod(folder_.path().c_str(), 0755);
    chmod(locked.c_str(), 0555);
    const bool root = geteuid() == 0;  // root may write anywhere
    EXPECT_TRUE(!root || seteuid(65534) == 0);
    save();
    EXPECT_TRUE(!root || seteuid(0) == 0);
    chmod(locked.c_str(), 0755);
  });
}

TEST_F(CheckpointTest, AKilledRunGoesOnAsIfItHadNotBeen) {
  const std::string program = NORMGRAD_BINARY_DIR "/tests/resumable";
  const std::string whole = folder_ / "whole.safetensors";
  ASSERT_EQ(run_program({program, folder_ / "whole.ckpt", whole}).exit_code, 0);
  ASSERT_EQ(load_safetensors(whole).metadata.at("steps"), "42");
  Generator random(11);
  for (int trial = 0; trial < 20; ++trial) {
    const std::string hold = std::to_string(1 + random.below(36));
    const std::string mark = "step " + hold + "\n";
    const std::string name = "trial" + std::to_string(trial);
    const std::vector<std::string> command = {program, folder_ / (name + ".ckpt"), folder_ / name};
    const auto killed =
        run_program({program, command[1], command[2], hold},  // saves until the signal comes
                    {.signal_when = [&](const std::string& err) { return err.find(mark) != std::string::npos; },
                     .signal = SIGKILL});
    ASSERT_EQ(killed.exit_code, 128 + SIGKILL) << mark;
    ASSERT_FALSE(std::filesystem::exists(command[2]));
    const auto resumed = run_program(command);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_TRUE(mark == "step 1\n" || resumed.err.find("step 1\n") == std::string::npos) << "it began anew";
    EXPECT_EQ(file_text(command[2]), file_text(whole)) << "killed at " << mark;
  }
}

TEST_F(CheckpointTest, ARunKilledTimeAndAgainGoesOn) {
  const std::vector<std::string> command = {NORMGRAD_BINARY_DIR "/tests/resumable", folder_ / "run.ckpt",
                                            folder_ / "result"};
  std::vector<std::string> held = command;
  held.emplace_back("3");
  for (int kills = 0; kills < 5; ++kills) {
    // Each start advances three steps before it is killed, or two if the kill precedes its third save.
    const auto count_steps = [](const std::string& err) { return std::count(err.begin(), err.end(), '\n') >= 3; };
    ASSERT_EQ(run_program(held, {.signal_when = count_steps, .signal = SIGKILL}).exit_code, 128 + SIGKILL);
  }
  ASSERT_EQ(run_program(command).exit_code, 0);
  ASSERT_EQ(run_program({command[0], folder_ / "whole.ckpt", folder_ / "whole"}).exit_code, 0);
  EXPECT_EQ(file_text(folder_ / "result"), file_text(folder_ / "whole"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
