#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;
using tests::file_text;
using tests::ProgramResult;
using tests::RunOptions;
using tests::write_text;

class TrainMnistTest : public testing::Test {
 protected:
  /// `within`: a command that runs the command after it.
  ProgramResult run(const std::vector<std::string>& arguments, const RunOptions& options = {},
                    std::vector<std::string> within = {}) {
    std::vector<std::string>& command = within;
    command.insert(command.end(), {NORMGRAD_BINARY_DIR "/examples/train_mnist", "--data", "digits", "--train-limit",
                                   "300", "--batch-size", "30", "--epochs", "2", "--checkpoint-every", "1"});
    command.insert(command.end(), arguments.begin(), arguments.end());
    return tests::run_program(command, options);
  }
  /// The error message of an invalid call.
  std::string error(const std::vector<std::string>& arguments) {
    const ProgramResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, StartsWith("train_mnist: "));
    return result.err.substr(std::min<std::size_t>(result.err.size(), 13));
  }
  std::string out(const std::string& name) const { return folder_ / name; }
  /// Starts a run in `name` that is killed after its first epoch. If the signal comes too late, starts again.
  void run_and_kill(const std::string& name) {
    const RunOptions kill = {
        .signal_when = [](const std::string& err) { return err.find("epoch 1: training loss") != std::string::npos; },
        .signal = SIGKILL};
    for (int again = 0; again < 100; ++again) {
      std::filesystem::remove_all(out(name));
      if (run({"--out", out(name)}, kill).exit_code == 128 + SIGKILL) {
        return;
      }
    }
    FAIL() << "it ends within the time in which a signal comes, 100 times";
  }
  std::vector<std::string> partial_files(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".partial") {
        names.push_back(entry.path());
      }
    }
    return names;
  }

  const tests::TemporaryFolder folder_;
};

TEST_F(TrainMnistTest, TrainsAndLeavesAllItsFiles) {
  const ProgramResult result = run({"--out", out("a")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("^test accuracy: [0-9.]+\nwrote .*/a/model.safetensors\n$"));
  EXPECT_GT(std::stod(result.out.substr(15)), 0.5) << "chance is 0.1";
  EXPECT_THAT(result.err,
              ContainsRegex("epoch 1/2: 10/10, [0-9.]+ steps/s, in 0:[0-9]{2}, loss [0-9.]+, lr 0\\.0[0-9]+\n"));
  EXPECT_THAT(file_text(out("a/metrics.csv")),
              ContainsRegex("^epoch,step,train_loss,test_accuracy\n1,10,[0-9.]+,[0-9.]+\n2,20,[0-9.]+,[0-9.]+\n$"));
  EXPECT_THAT(file_text(out("a/metrics.jsonl")), ContainsRegex("\"epoch\": 2, \"step\": 20, \"train_loss\": [0-9.]+"));
  EXPECT_THAT(file_text(out("a/train.log")), HasSubstr("digits: 300 training and "));
  EXPECT_EQ(load_safetensors(out("a/model.safetensors")).tensors.at("conv1.weight").shape(), Shape({16, 1, 3, 3}));
}

TEST_F(TrainMnistTest, DrawsABarOnATerminal) {
  EXPECT_THAT(run({"--out", out("a")}, {.terminal = true}).err, HasSubstr("epoch 1/2 [......"));
}

TEST_F(TrainMnistTest, GoesOnAfterBeingKilledAsIfItHadNotBeen) {
  ASSERT_EQ(run({"--out", out("whole")}).exit_code, 0);
  ASSERT_NO_FATAL_FAILURE(run_and_kill("a"));
  const ProgramResult resumed = run({"--out", out("a"), "--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, ContainsRegex("continuing after step (1[0-9]|20)\n"));  // 20: killed while it evaluates
  for (const std::string file : {"/model.safetensors", "/metrics.csv", "/metrics.jsonl", "/checkpoint.safetensors"}) {
    EXPECT_EQ(file_text(out("a") + file), file_text(out("whole") + file)) << file;
  }
}

// A resumed run that cannot write exits with code 2 and leaves the checkpoint unchanged.
TEST_F(TrainMnistTest, GoesOnAfterDisksThatWereFullAndFoldersThatWereLocked) {
  ASSERT_EQ(run({"--out", out("whole")}).exit_code, 0);
  ASSERT_NO_FATAL_FAILURE(run_and_kill("a"));
  const std::string bytes = file_text(out("a/checkpoint.safetensors"));
  const auto expect_failure = [&](const ProgramResult& result, const std::string& folder, const std::string& reason) {
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.err, ContainsRegex("train_mnist: .*cannot be written: .*" + reason + "\n$"));
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(file_text(folder + "/checkpoint.safetensors"), bytes);
    EXPECT_THAT(partial_files(folder), testing::IsEmpty());
  };

  // No file may exceed 16 KiB.
  ASSERT_GT(bytes.size(), 16U * 1024U);
  expect_failure(
      run({"--out", out("a"), "--resume"}, {}, {"/bin/bash", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", ""}),
      out("a"), "File too large");

  // Room for one checkpoint and a half.
  const std::string disk = out("disk");
  std::filesystem::create_directory(disk);
  const std::string size = "size=" + std::to_string(bytes.size() * 3 / 2 / 1024 + 16) + "k";
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, size.c_str()) == 0) {  // requires the privilege
    for (const char* file : {"checkpoint.safetensors", "metrics.csv", "metrics.jsonl", "train.log"}) {
      std::filesystem::copy(out("a") + "/" + file, disk);
    }
    expect_failure(run({"--out", disk, "--resume"}), disk, "No space left on device");
    umount(disk.c_str());
  }

  // A folder without write permission.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(out("a"), std::filesystem::perms(0555));
  const bool root = geteuid() == 0;  // root may write anywhere
  ASSERT_TRUE(!root || seteuid(65534) == 0);
  if (euidaccess(NORMGRAD_BINARY_DIR "/examples/train_mnist", X_OK) == 0) {
    const ProgramResult locked = run({"--out", out("a"), "--resume"});
    expect_failure(locked, out("a"), "Permission denied");
  }
  ASSERT_TRUE(!root || seteuid(0) == 0);
  std::filesystem::permissions(out("a"), std::filesystem::perms(0755));

  ASSERT_EQ(run({"--out", out("a"), "--resume"}).exit_code, 0);
  for (const std::string file : {"/model.safetensors", "/metrics.csv", "/metrics.jsonl", "/checkpoint.safetensors"}) {
    EXPECT_EQ(file_text(out("a") + file), file_text(out("whole") + file)) << file;
  }
}

TEST_F(TrainMnistTest, RefusesBadInputAndKeepsTheCheckpoint) {
  ASSERT_EQ(run({"--out", out("a")}).exit_code, 0);
  const std::string checkpoint = out("a/checkpoint.safetensors");
  const std::string bytes = file_text(checkpoint);
  const std::string metrics = file_text(out("a/metrics.csv"));
  const std::string log = file_text(out("a/train.log"));

  EXPECT_EQ(error({"--out", out("a")}),
            "--out: '" + out("a") + "' holds a run: --resume continues it, --overwrite starts over\n");
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--lr", "0.2"}),
              HasSubstr("part 'options': --lr is 0.2 but the run was started with 0.05"));
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--batch-size", "20"}),
              HasSubstr("expected batch_size 20 but the state is from a loader with 30"));
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--train-limit", "240"}),
              ContainsRegex("--resume: the run was started under other conditions .*\n  data: was 300 examples, "
                            "[0-9a-f]{16}; .*, is 240 examples, .*\n--resume-anyway continues it anyway\n$"));
  EXPECT_THAT(error({"--out", out("a"), "--resume-anyway", "--train-limit", "240"}),
              HasSubstr("expected num_examples 240"));
  EXPECT_THAT(error({"--out", out("a"), "--resume", "--seed", "2"}), HasSubstr("expected seed 2"));
  EXPECT_THAT(error({"--out", out("a"), "--overwrite", "--data", out("nowhere")}), HasSubstr(out("nowhere")));
  EXPECT_EQ(file_text(checkpoint), bytes);

  write_text(checkpoint, bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(error({"--out", out("a"), "--resume"}), HasSubstr("bytes of data"));
  EXPECT_EQ(file_text(checkpoint), bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(file_text(out("a/metrics.csv")), metrics);
  EXPECT_EQ(file_text(out("a/train.log")), log);

  EXPECT_EQ(error({"--out", out("b"), "--resume"}),
            "--resume: there is no checkpoint '" + out("b/checkpoint.safetensors") + "'\n");
  write_text(out("file"), "");
  EXPECT_THAT(error({"--out", out("file")}), HasSubstr("--out: the folder '" + out("file") + "' cannot be created"));
  EXPECT_THAT(error({"--color"}), HasSubstr("--color"));
  EXPECT_THAT(error({"--lr", "0"}), HasSubstr("--lr"));
  EXPECT_THAT(error({"--resume", "--overwrite"}), HasSubstr("excludes"));
}

// The rows of a run that is not resumed remain, whatever is missing.
TEST_F(TrainMnistTest, ARefusedResumeLeavesTheMetrics) {
  ASSERT_EQ(run({"--out", out("a")}).exit_code, 0);
  const std::string rows = file_text(out("a/metrics.csv"));
  write_text(out("a/metrics.csv"), rows + "3,30,0.5,0.5\n");
  std::filesystem::remove(out("a/metrics.jsonl"));
  EXPECT_THAT(error({"--out", out("a"), "--resume"}), HasSubstr("part 'json': JsonLinesFile: "));
  EXPECT_EQ(file_text(out("a/metrics.csv")), rows + "3,30,0.5,0.5\n");
  EXPECT_FALSE(std::filesystem::exists(out("a/metrics.jsonl")));
}

TEST_F(TrainMnistTest, GoesOnWithOtherDataOnlyWhenToldTo) {
  tests::write_mnist_folder(out("first"), 300, 20);
  std::filesystem::copy(out("first"), out("second"));
  std::filesystem::rename(out("second/train-images-idx3-ubyte"), out("second/kept"));
  tests::Bytes bytes = tests::read_bytes(out("second/kept"));
  bytes.back() ^= 1;
  tests::write_file(out("second/train-images-idx3-ubyte"), bytes);
  const auto run_with = [&](const std::string& data, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--data", out(data), "--out", out("a")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  ASSERT_EQ(run_with("first", {}).exit_code, 0);
  const ProgramResult refused = run_with("second", {"--resume"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err,
              ContainsRegex("\n  data: was 300 examples, [0-9a-f]{16}; 20 examples, [0-9a-f]{16}, is 300 "));
  EXPECT_EQ(run_with("first", {"--resume"}).exit_code, 0);
  const ProgramResult anyway = run_with("second", {"--resume-anyway"});
  EXPECT_EQ(anyway.exit_code, 0);
  EXPECT_THAT(anyway.err, HasSubstr("the run was started under other conditions:\n  data: was "));
}

TEST_F(TrainMnistTest, OneFolderOneProgram) {
  std::filesystem::create_directory(out("a"));
  const int lock = open((out("a") + "/.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  EXPECT_EQ(error({"--out", out("a")}), "another program writes to '" + out("a") + "'\n");
  close(lock);
}

TEST_F(TrainMnistTest, NamesThatTheSystemRefusesEndWithCode2) {
  const std::string name(300, 'n');
  std::filesystem::create_symlink("loop", out("loop"));
  for (const std::string& folder : {out(name), out("loop"), out("loop") + "/x"}) {
    EXPECT_THAT(error({"--out", folder}), HasSubstr("cannot be created: "));
    EXPECT_THAT(error({"--out", out("a"), "--data", folder}), HasSubstr("open_dataset: "));
  }
}

TEST_F(TrainMnistTest, ExplainsItself) {
  const ProgramResult result = run({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("--resume"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
