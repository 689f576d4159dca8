#include "normgrad/io/detail/output_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/checkpoint.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using tests::error_of;
using tests::file_text;
using tests::write_text;

class OutputFileTest : public testing::Test {
 protected:
  void write(const fs::path& path, const std::string& text) {
    detail::OutputFile file("save", path);
    file.write(text);
    file.commit();
  }
  mode_t mode_of(const fs::path& path) {
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0);
    return status.st_mode & 07777U;
  }
  std::vector<std::string> partial_files() {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
      if (entry.path().extension() == ".partial") {
        names.push_back(entry.path().filename());
      }
    }
    return names;
  }

  const tests::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "file";
};

TEST_F(OutputFileTest, TwoWritersOfOneNameDoNotMeet) {
  write(path_, "before");
  std::optional<detail::OutputFile> first;
  std::optional<detail::OutputFile> second;
  first.emplace("save", path_);
  first->write("first");
  second.emplace("save", path_);
  second->write("second, which is longer");
  EXPECT_EQ(partial_files().size(), 2U);
  EXPECT_EQ(file_text(path_), "before");
  second->commit();
  EXPECT_EQ(file_text(path_), "second, which is longer");
  first->commit();
  EXPECT_EQ(file_text(path_), "first");
  first.emplace("save", path_);
  first->write("given up");
  first.reset();
  EXPECT_EQ(file_text(path_), "first");
  EXPECT_THAT(partial_files(), IsEmpty());
}

TEST_F(OutputFileTest, ProcessesThatSaveOneCheckpointLeaveItWhole) {
  double value = 0.0;
  Tensor weights = zeros({20'000});
  const CheckpointParts run = {{"value", value},
                               {"weights",
                                [&] {
                                  return StateDict{{"w", weights}};
                                },
                                [&](const StateDict& state) { weights.copy_(state.at("w")); }}};
  save_checkpoint(path_, run);
  std::vector<pid_t> children;
  for (int writer = 1; writer <= 3; ++writer) {
    children.push_back(fork());
    if (children.back() == 0) {
      set_num_threads(1);  // OpenMP's threads do not exist in a child
      value = writer;
      weights.fill_(writer);
      for (int i = 0; i < 20; ++i) {
        try {
          save_checkpoint(path_, run);
        } catch (const std::exception&) {
          _exit(1);
        }
      }
      _exit(0);
    }
  }
  for (int i = 0; i < 60; ++i) {
    load_checkpoint(path_, run);
    EXPECT_EQ(weights[19'999].item(), value);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "a save failed";
  }
  load_checkpoint(path_, run);
  EXPECT_THAT(partial_files(), IsEmpty());
}

TEST_F(OutputFileTest, KeepsThePermissionsOfWhatItReplaces) {
  const mode_t before = umask(022);
  write(path_, "new");
  EXPECT_EQ(mode_of(path_), 0644U) << "what the umask leaves";
  for (const mode_t mode : {0600U, 0640U, 0666U, 0444U}) {
    chmod(path_.c_str(), mode);
    detail::OutputFile file("save", path_);
    EXPECT_EQ(mode_of(folder_ / partial_files().at(0)), mode) << "nobody else can read what is half written";
    file.write("text");
    file.commit();
    EXPECT_EQ(mode_of(path_), mode);
  }
  umask(before);
}

TEST_F(OutputFileTest, FollowsLinksToWhatTheyName) {
  fs::create_directory(folder_ / "disk");
  fs::create_symlink("disk/there", path_);
  write(path_, "made");
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(file_text(folder_ / "disk/there"), "made");
  fs::create_symlink(path_, folder_ / "second");
  write(folder_ / "second", "replaced");
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(file_text(folder_ / "disk/there"), "replaced");
  fs::create_symlink("nowhere/x", folder_ / "dangling");
  EXPECT_EQ(error_of<IoError>([&] { write(folder_ / "dangling", "x"); }),
            "save: '" + (folder_ / "dangling").string() + "': the folder does not exist");
}

TEST_F(OutputFileTest, RefusesPipesAndDevices) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(error_of<IoError>([&] { write(path_, "x"); }),
            "save: '" + path_.string() +
                "': expected the name of a file but it is a pipe, which cannot be replaced by renaming");
  EXPECT_EQ(fs::status(path_).type(), fs::file_type::fifo);
  EXPECT_THAT(error_of<IoError>([&] { write("/dev/full", "x"); }), HasSubstr("but it is a device"));
  EXPECT_EQ(fs::status("/dev/full").type(), fs::file_type::character);
}

TEST_F(OutputFileTest, RemovesWhatDeadWritersOfThisNameLeft) {
  const pid_t child = fork();
  if (child == 0) {
    detail::OutputFile file("save", path_);
    file.write("half");
    _exit(0);  // like a kill: nothing is removed
  }
  waitpid(child, nullptr, 0);
  const std::vector<std::string> left = partial_files();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_THAT(left[0], testing::MatchesRegex("file\\.[0-9a-f]{16}\\.partial"));
  const detail::OutputFile living("save", path_);
  ASSERT_EQ(partial_files().size(), 1U);
  const std::string of_living = partial_files()[0];
  EXPECT_NE(of_living, left[0]);
  // Not our files: other names, names of other files and of other programs, and a link.
  for (const char* other : {"file.partial", "file.0123456789abcdeg.partial", "file2.0123456789abcdef.partial"}) {
    write_text(folder_ / other, "x");
  }
  fs::create_symlink("/dev/null", folder_ / "file.0123456789abcdef.partial");
  write(path_, "whole");
  EXPECT_EQ(file_text(path_), "whole");
  EXPECT_THAT(partial_files(),
              testing::UnorderedElementsAre(of_living, "file.partial", "file.0123456789abcdeg.partial",
                                            "file2.0123456789abcdef.partial", "file.0123456789abcdef.partial"));
}

TEST_F(OutputFileTest, WritesTheLongestNames) {
  const std::string longest(255, 'n');
  write(folder_ / longest, "text");
  EXPECT_EQ(file_text(folder_ / longest), "text");
  EXPECT_THAT(partial_files(), IsEmpty());
  EXPECT_THAT(error_of<IoError>([&] { write(folder_ / (longest + "n"), "text"); }),
              HasSubstr("': cannot be written: File name too long"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
