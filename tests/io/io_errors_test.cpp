// For every system error, the file functions throw an IoError that names the function and the file.
#include "normgrad/core/base/detail/io_errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <new>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/data/idx.hpp"
#include "normgrad/data/image_dataset.hpp"
#include "normgrad/io/checkpoint.hpp"
#include "normgrad/io/metrics_file.hpp"
#include "normgrad/io/npy.hpp"
#include "normgrad/io/npz.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;
using tests::error_of;
using tests::write_text;

struct FileFunction {
  std::string name;
  std::function<void(const fs::path&)> call;
};

const Tensor& tensor_to_write() {
  static const Tensor tensor = ones({100'000});
  return tensor;
}

std::vector<FileFunction> writers() {
  return {
      {"save_safetensors",
       [](const fs::path& path) {
         save_safetensors(path, StateDict{{"x", tensor_to_write()}});
       }},
      {"save_npy", [](const fs::path& path) { save_npy(path, tensor_to_write()); }},
      {"save_npz",
       [](const fs::path& path) {
         save_npz(path, {{"x", tensor_to_write()}});
       }},
      {"save_checkpoint",
       [](const fs::path& path) {
         save_checkpoint(path, {{"x", [] { return StateDict{{"x", tensor_to_write()}}; }, [](const StateDict&) {}}});
       }},
      {"CsvFile",
       [](const fs::path& path) {
         CsvFile file(path);
         file.write({{std::string(2000, 'x'), 1.0}});
       }},
      {"JsonLinesFile", [](const fs::path& path) {
         JsonLinesFile file(path);
         file.write({{std::string(2000, 'x'), 1.0}});
       }}};
}

std::vector<FileFunction> readers() {
  return {{"load_safetensors", [](const fs::path& path) { load_safetensors(path); }},
          {"load_npy", [](const fs::path& path) { load_npy(path); }},
          {"load_npz", [](const fs::path& path) { load_npz(path); }},
          {"load_checkpoint", [](const fs::path& path) { load_checkpoint(path, {}); }},
          {"checkpoint_differences", [](const fs::path& path) { checkpoint_differences(path, {}); }},
          {"read_idx", [](const fs::path& path) { read_idx(path); }}};
}

class IoErrorsTest : public testing::Test {
 protected:
  void SetUp() override {
    write_text(folder_ / "file", "text");
    fs::create_directory(folder_ / "folder");
    fs::create_symlink("loop", folder_ / "loop");
    ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  }
  /// The message after the names of the function and the file.
  static std::string refusal(const FileFunction& function, const fs::path& path) {
    const std::string text = error_of<IoError>([&] { function.call(path); });
    const std::string start = function.name + ": '" + path.string() + "': ";
    EXPECT_THAT(text, StartsWith(start));
    return text.substr(std::min(text.size(), start.size()));
  }

  const tests::TemporaryFolder folder_;
  const std::string long_name_ = std::string(300, 'n');
  const std::string long_path_ = std::string(2500, '/') + std::string(2500, 'n');
};

TEST_F(IoErrorsTest, WritersNameWhatTheSystemRefuses) {
  for (const FileFunction& writer : writers()) {
    SCOPED_TRACE(writer.name);
    EXPECT_EQ(refusal(writer, folder_ / "no" / "x"), "the folder does not exist");
    EXPECT_THAT(refusal(writer, folder_ / "file" / "x"), HasSubstr("Not a directory"));
    EXPECT_EQ(refusal(writer, folder_ / "folder"), "expected the name of a file but it is a folder");
    EXPECT_THAT(refusal(writer, folder_ / "loop"), HasSubstr("Too many levels of symbolic links"));
    EXPECT_THAT(refusal(writer, folder_ / "loop" / "x"), HasSubstr("Too many levels of symbolic links"));
    EXPECT_THAT(refusal(writer, folder_ / long_name_), HasSubstr("File name too long"));
    EXPECT_THAT(refusal(writer, long_path_), HasSubstr("File name too long"));
    EXPECT_THAT(refusal(writer, folder_ / "pipe"), HasSubstr("it is a pipe"));
    EXPECT_THAT(refusal(writer, "/dev/full"), HasSubstr("it is a device"));
    EXPECT_THAT(refusal(writer, "/proc/x"), HasSubstr("cannot be written: "));
    EXPECT_THAT(refusal(writer, ""), HasSubstr("expected the name of a file"));
  }
}

TEST_F(IoErrorsTest, ReadersNameWhatTheSystemRefuses) {
  for (const FileFunction& reader : readers()) {
    SCOPED_TRACE(reader.name);
    EXPECT_EQ(refusal(reader, folder_ / "no"), "no such file");
    EXPECT_THAT(refusal(reader, folder_ / "file" / "x"), HasSubstr("Not a directory"));
    EXPECT_EQ(refusal(reader, folder_ / "folder"), "expected a file but it is a folder");
    EXPECT_THAT(refusal(reader, folder_ / "loop"), HasSubstr("Too many levels of symbolic links"));
    EXPECT_THAT(refusal(reader, folder_ / long_name_), HasSubstr("File name too long"));
    EXPECT_THAT(refusal(reader, long_path_), HasSubstr("File name too long"));
    EXPECT_EQ(refusal(reader, folder_ / "pipe"), "expected a file but it is something else");
    EXPECT_EQ(refusal(reader, "/dev/zero"), "expected a file but it is something else");
    EXPECT_NE(refusal(reader, folder_ / "file"), "") << "it is none of these formats";
  }
  for (const fs::path& path : {folder_ / "no", folder_ / "file", folder_ / "folder", folder_ / "file" / "x",
                               folder_ / "loop", folder_ / long_name_, fs::path(long_path_), folder_ / "pipe"}) {
    EXPECT_THAT(error_of<IoError>([&] { open_dataset(path); }), StartsWith("open_dataset: ")) << path;
  }
}

TEST_F(IoErrorsTest, FilesThatCannotBeOpenedOrGrow) {
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  for (const bool write : {false, true}) {
    for (const FileFunction& function : write ? writers() : readers()) {
      SCOPED_TRACE(function.name);
      setrlimit(RLIMIT_NOFILE, &none);
      EXPECT_THAT(refusal(function, folder_ / "file"), HasSubstr("Too many open files"));
      setrlimit(RLIMIT_NOFILE, &before);
    }
  }
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {.rlim_cur = 1000, .rlim_max = before.rlim_max};
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const FileFunction& function : writers()) {
    SCOPED_TRACE(function.name);
    setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_THAT(refusal(function, folder_ / "new"), StartsWith("cannot be written: "));
    setrlimit(RLIMIT_FSIZE, &before);
  }
  std::signal(SIGXFSZ, handler);
}

TEST_F(IoErrorsTest, ErrorsOfOthersBecomeTheLibrarysOwn) {
  const auto translated = [](auto&& f) { return error_of<IoError>([&] { detail::with_io_errors("here: ", f); }); };
  EXPECT_EQ(translated([] { throw std::bad_alloc(); }), "here: there is not enough memory");
  EXPECT_EQ(translated([] { std::string().reserve(SIZE_MAX); }), "here: it is larger than what memory can hold");
  EXPECT_EQ(translated([&] { fs::rename(folder_ / "no", folder_ / "new"); }),
            "here: cannot be used: No such file or directory");
  EXPECT_EQ(translated([] { throw std::runtime_error("text"); }), "here: text");
  EXPECT_EQ(error_of<ValueError>([] { detail::with_io_errors("here: ", [] { throw ValueError("own"); }); }), "own");
  EXPECT_EQ(detail::with_io_errors("here: ", [] { return 3; }), 3);
  EXPECT_THROW(detail::with_io_errors("here: ", [] { throw 5; }), int);
}

TEST_F(IoErrorsTest, ShapesThatCannotBeCountedAreTold) {
  const auto safetensors = [](const std::string& shape) {
    const std::string json = R"({"x":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,0]}})";
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(json.size());
    return bytes + json;
  };
  const auto npy = [](const std::string& shape) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n";
    std::string bytes("\x93NUMPY\x01\x00\x00\x00", 10);
    bytes[8] = static_cast<char>(header.size());
    return bytes + header;
  };
  for (const std::string sizes : {"0, 4611686018427387904, 4", "4611686018427387904, 4, 0", "4611686018427387904, 0, 4",
                                  "9223372036854775807, 0", "3037000500, 3037000500, 0"}) {
    write_text(folder_ / "x.safetensors", safetensors("[" + sizes + "]"));
    EXPECT_THAT(error_of<IoError>([&] { load_safetensors(folder_ / "x.safetensors"); }),
                HasSubstr("has more elements than can be counted"));
    write_text(folder_ / "x.npy", npy("(" + sizes + ")"));
    EXPECT_THAT(error_of<IoError>([&] { load_npy(folder_ / "x.npy"); }),
                HasSubstr("has more elements than can be counted"));
  }
  write_text(folder_ / "x.safetensors", safetensors("[0, 7]"));
  EXPECT_EQ(load_safetensors(folder_ / "x.safetensors").tensors.at("x").shape(), Shape({0, 7}));
  write_text(folder_ / "x.npy", npy("(0, 7)"));
  EXPECT_EQ(load_npy(folder_ / "x.npy").shape(), Shape({0, 7}));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
