// The system calls that write a file, and their order. This file replaces the system functions that the library calls
// by name.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/npy.hpp"
#include "normgrad/io/safetensors.hpp"

namespace {

struct SystemCalls {
  bool watched = false;
  std::string order;              // F: a file is synced, D: a folder is synced, R: a file is renamed
  std::size_t largest_write = 0;  // 0: no limit
  int interruptions = 0;          // remaining
  int short_writes = 0;
};

SystemCalls system_calls;

void note_call(char what) {
  if (system_calls.watched) {
    system_calls.order += what;
  }
}

}  // namespace

extern "C" int fsync(int descriptor) {
  struct stat status {};
  note_call(fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode) ? 'D' : 'F');
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  note_call('R');
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

extern "C" ssize_t write(int descriptor, const void* bytes, std::size_t count) {
  if (system_calls.watched && descriptor > 2 && system_calls.largest_write > 0) {
    if (system_calls.interruptions > 0) {
      --system_calls.interruptions;
      errno = EINTR;
      return -1;
    }
    system_calls.short_writes += count > system_calls.largest_write ? 1 : 0;
    count = std::min(count, system_calls.largest_write);
  }
  return syscall(SYS_write, descriptor, bytes, count);
}

namespace normgrad {
namespace {

using tests::TemporaryFolder;

// If the machine stopped between the two, an empty file with that name would remain.
TEST(OutputOrderTest, FilesAreOnTheDiskBeforeTheyAreRenamed) {
  const TemporaryFolder folder_of_test;
  system_calls = SystemCalls();
  system_calls.watched = true;
  save_npy(folder_of_test / "x.npy", ones({3}));
  system_calls.watched = false;
  const std::size_t file = system_calls.order.find('F');
  const std::size_t renamed = system_calls.order.find('R');
  const std::size_t folder = system_calls.order.find('D');
  ASSERT_NE(renamed, std::string::npos) << system_calls.order;
  EXPECT_LT(file, renamed) << system_calls.order;
  EXPECT_GT(folder, renamed) << system_calls.order;
  EXPECT_NE(folder, std::string::npos) << system_calls.order;
}

TEST(OutputOrderTest, WritesThatEndEarlyOrAreInterruptedGoOn) {
  const TemporaryFolder folder;
  const Tensor x = arange(0, 500, 1, {.dtype = kFloat64});
  system_calls = SystemCalls();
  system_calls.largest_write = 64;
  system_calls.interruptions = 3;
  system_calls.watched = true;
  save_safetensors(folder / "x.safetensors", StateDict{{"x", x}});
  system_calls.watched = false;
  EXPECT_GT(system_calls.short_writes, 10);
  EXPECT_EQ(system_calls.interruptions, 0);
  EXPECT_EQ(load_safetensors(folder / "x.safetensors").tensors.at("x").to_vector<double>(), x.to_vector<double>());
}

}  // namespace
}  // namespace normgrad
