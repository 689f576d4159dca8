// What load_torch() rejects: the files are written here, opcode by opcode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <zip.h>

#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/io/torch.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::error_of;
using tests::file_text;
using tests::write_text;

using Entries = std::vector<std::pair<std::string, std::string>>;

// Parts of pickles.
std::string text(const std::string& value) {
  return std::string("X") + static_cast<char>(value.size()) + std::string(3, '\0') + value;
}
std::string integer(std::int64_t value) {
  std::string bytes = "\x8a\x08";
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
  return bytes;
}
std::string tuple(const std::string& items) { return "(" + items + "t"; }
std::string storage(std::int64_t elements, const std::string& kind = "FloatStorage", const std::string& key = "0") {
  return tuple(text("storage") + "ctorch\n" + kind + "\n" + text(key) + text("cpu") + integer(elements)) + "Q";
}
std::string tensor(const std::string& storage, std::int64_t offset, const std::string& sizes,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple(storage + integer(offset) + tuple(sizes) + tuple(strides) + "\x89" + "}") + "R";
}
std::string dict(const std::string& key, const std::string& value) { return "}" + text(key) + value + "s"; }
std::string pickle(const std::string& value) { return "\x80\x02" + value + "."; }

class TorchErrorsTest : public testing::Test {
 protected:
  void write(const Entries& entries) {
    zip_t* archive = zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (const auto& [name, bytes] : entries) {
      zip_file_add(archive, name.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0), ZIP_FL_ENC_UTF_8);
    }
    ASSERT_EQ(zip_close(archive), 0);
  }
  /// The error of a file with this value and a storage of two floats.
  std::string error(const std::string& value) {
    write({{"x/data.pkl", pickle(value)}, {"x/data/0", std::string(8, '\0')}});
    return file_error();
  }
  std::string file_error(LoadTorchOptions options = {}) {
    const std::string message = error_of<IoError>([&] { load_torch(path_, options); });
    const std::string start = "load_torch: '" + path_.string() + "': ";
    EXPECT_THAT(message, testing::StartsWith(start));
    return message.substr(std::min(message.size(), start.size()));
  }
  const tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "x.pt";
};

constexpr const char* kNotLoaded =
    "', which is not loaded: expected tensors, numbers, texts, lists, tuples and dicts alone, as "
    "torch.save(model.state_dict(), ...) writes";

TEST_F(TorchErrorsTest, RefusesCodeByItsName) {
  // cos.system("...") with the opcodes of protocols 0 to 4; and the class of a whole model.
  EXPECT_EQ(error("cos\nsystem\n" + tuple(text("touch /tmp/x")) + "R"),
            std::string("data.pkl: contains 'os.system") + kNotLoaded);
  EXPECT_EQ(error(text("builtins") + text("eval") + "\x93" + tuple(text("1")) + "R"),
            std::string("data.pkl: contains 'builtins.eval") + kNotLoaded);
  EXPECT_EQ(error("c__main__\nNet\n)\x81}b"), std::string("data.pkl: contains '__main__.Net") + kNotLoaded);
  EXPECT_EQ(error("ctorch._utils\n_rebuild_qtensor\n"),
            std::string("data.pkl: contains 'torch._utils._rebuild_qtensor") + kNotLoaded);
  EXPECT_EQ(error("ctorch\nComplexFloatStorage\n"),
            std::string("data.pkl: contains 'torch.ComplexFloatStorage") + kNotLoaded);
  EXPECT_EQ(error("ctorch\nFloatStorage\n"), "'': expected a tensor or a plain value but got 'torch.FloatStorage'");
  EXPECT_EQ(error(dict("s", storage(2))), "'s': expected a tensor or a plain value but got a storage");
  // INST and OBJ, which call, are no opcodes here.
  EXPECT_EQ(error("(ios\nsystem\n"),
            "data.pkl: byte 3: opcode 105 is not one of tensors, numbers, texts, lists, tuples or dicts");
}

TEST_F(TorchErrorsTest, RefusesPicklesThatAreDamaged) {
  EXPECT_EQ(error("0"), "data.pkl: byte 2: expected a value before it");
  EXPECT_EQ(error(""), "data.pkl: byte 2: ends before its value is complete");
  EXPECT_EQ(error("NN"), "data.pkl: byte 4: ends before its value is complete");
  EXPECT_EQ(error("(N"), "data.pkl: byte 4: ends before its value is complete");
  EXPECT_EQ(error("u"), "data.pkl: byte 2: expected a mark before it");
  EXPECT_EQ(error("}(Nu"), "data.pkl: byte 5: expected keys with values");
  EXPECT_EQ(error("NNa"), "data.pkl: byte 4: expected a list before it");
  EXPECT_EQ(error("]NNs"), "data.pkl: byte 5: expected a dict before it");
  EXPECT_EQ(error("h\5"), "data.pkl: byte 2: refers to value 5, which it has not stored");
  EXPECT_EQ(error("X\xff\xff\xff\xff"), "data.pkl: byte 2: expected 4294967295 more bytes but the pickle has 1");
  EXPECT_EQ(error("\x8a\x09" + std::string(9, '\1')),
            "data.pkl: byte 2: expected integers of at most 64 bits but got 9 bytes");
  EXPECT_EQ(error("ctorch"), "data.pkl: byte 2: expected a line");
  EXPECT_EQ(error("NNR"), "data.pkl: byte 4: expected a function and its arguments");
  EXPECT_EQ(error("NQ"), "data.pkl: byte 3: expected a reference to a storage");
  EXPECT_EQ(error("ctorch._utils\n_rebuild_tensor_v2\n)R"),
            "data.pkl: byte 36: expected a storage, an offset, sizes and strides as the arguments of "
            "torch._utils._rebuild_tensor_v2");
  write({{"x/data.pkl", "\x80\x01N."}});
  EXPECT_EQ(file_error(), "data.pkl: byte 0: expected protocol 2 to 5 but got 1");
  EXPECT_EQ(error("}NNs"), "'': expected keys of type str, int or bool");
  EXPECT_EQ(error("}" + text("a.b") + "Ns" + text("a") + dict("b", "N") + "s"), "'a.b': the name appears twice");
}

TEST_F(TorchErrorsTest, RefusesTensorsThatDoNotFitTheirStorage) {
  const auto tensor_error = [&](const std::string& value) {
    const std::string message = error(dict("w", value));
    EXPECT_THAT(message, testing::StartsWith("tensor 'w': "));
    return message.substr(std::min<std::size_t>(message.size(), 12));
  };
  const std::string one = integer(1);
  const std::string two = integer(2);
  EXPECT_EQ(tensor_error(tensor(storage(2), 1, two, one)),
            "expected elements within a storage of 2 elements but got the shape [2] with strides [1] from element 1");
  EXPECT_EQ(tensor_error(tensor(storage(2), 0, two, integer(INT64_MAX))),
            "expected elements within a storage of 2 elements but got the shape [2] with strides "
            "[9223372036854775807] from element 0");
  EXPECT_EQ(tensor_error(tensor(storage(3), 0, two, one)),
            "expected a storage of 3 elements of 4 bytes but got 8 bytes");
  EXPECT_EQ(tensor_error(tensor(storage(2, "DoubleStorage"), 0, two, one)),
            "expected a storage of 2 elements of 8 bytes but got 8 bytes");
  EXPECT_EQ(tensor_error(tensor(storage(2, "FloatStorage", "7"), 0, two, one)), "its storage '7' is missing");
  EXPECT_EQ(tensor_error(tensor(storage(2), 0, integer(-1), one)),
            "expected an offset, sizes and strides that are not negative");
  EXPECT_EQ(tensor_error(tensor(storage(2), -1, two, one)),
            "expected an offset, sizes and strides that are not negative");
  EXPECT_EQ(tensor_error(tensor(storage(2), 0, two, "")),
            "expected at most 8 axes with as many strides but got 1 sizes and 0 strides");
  EXPECT_EQ(tensor_error(tensor(storage(2), 0, integer(1'000'000), integer(0))),
            "is expanded: it has the shape [1000000] over 2 elements; write its contiguous() instead");
  EXPECT_EQ(tensor_error(tensor(storage(2), 0, integer(INT64_MAX) + integer(0), one + one)),
            "the shape [9223372036854775807, 0] has more elements than can be counted");
  write({{"x/data.pkl", pickle(dict("w", tensor(storage(2, "BoolStorage"), 0, two, one)))}, {"x/data/0", "\1\2"}});
  EXPECT_EQ(file_error(), "tensor 'w': expected bools of 0 or 1 but got 2");
}

TEST_F(TorchErrorsTest, RefusesOtherFiles) {
  EXPECT_EQ(file_error(), "no such file");
  write_text(path_, "hello");
  EXPECT_THAT(file_error(), HasSubstr("is not a valid archive"));
  write_text(path_, pickle("N"));
  EXPECT_EQ(file_error(),
            "is a pickle without an archive, as PyTorch before 1.6 writes: expected a file of torch.save() of 1.6 or "
            "later, with _use_new_zipfile_serialization=True");
  write({{"x/readme", "hello"}});
  EXPECT_EQ(file_error(), "expected an archive of torch.save() but it has no data.pkl");
  write({{"x/data.pkl", pickle("N")}, {"x/constants.pkl", pickle(")")}});
  EXPECT_EQ(file_error(),
            "is a TorchScript archive, which contains code: expected torch.save(model.state_dict(), ...)");
  write({{"x/data.pkl", pickle("N")}, {"x/byteorder", "big"}});
  EXPECT_EQ(file_error(), "expected little-endian elements but got 'big'");
  write({{"x/data.pkl", pickle(dict("w", tensor(storage(2), 0, integer(2), integer(1))))}, {"x/data/0", "12345678"}});
  EXPECT_EQ(load_torch(path_).tensors.size(), 1U);
  std::string bytes = file_text(path_);
  bytes[bytes.find("12345678")] = '3';
  write_text(path_, bytes);
  EXPECT_EQ(file_error(), "tensor 'w': is damaged: CRC error");
}

TEST_F(TorchErrorsTest, UsesNoMoreMemoryThanItIsAllowed) {
  // 60 lists, each of which contains the one before it twice: 2^60 values.
  std::string lists = "]Na";
  for (int i = 0; i < 60; ++i) {
    lists += "q" + std::string(1, static_cast<char>(i)) + "0](h" + std::string(1, static_cast<char>(i)) + "h" +
             std::string(1, static_cast<char>(i)) + "e";
  }
  write({{"x/data.pkl", pickle(lists)}});
  EXPECT_THAT(
      file_error({.max_bytes = 1'000'000}),
      HasSubstr("expected at most 1000000 bytes in the whole archive but there are more; {.max_bytes = n} allows n"));
  // A list that contains itself.
  EXPECT_THAT(error("]q\1h\1a"), HasSubstr("expected at most 64 levels"));
  // 10,000 tuples within each other are freed without recursion.
  EXPECT_THAT(error("N" + std::string(10'000, '\x85')), HasSubstr("expected at most 64 levels"));
  write({{"x/data.pkl", pickle("]" + std::string(10'000, 'N'))}});
  EXPECT_THAT(file_error({.max_bytes = 100'000}), HasSubstr("data.pkl: expected at most 100000 bytes"));
  write({{"x/data.pkl", pickle(dict("w", tensor(storage(25'000), 0, integer(25'000), integer(1))))},
         {"x/data/0", std::string(100'000, '\0')}});
  EXPECT_EQ(load_torch(path_, {.max_bytes = 220'000}).tensors.at("w").numel(),
            25'000);  // of the storage and the tensor
  EXPECT_THAT(file_error({.max_bytes = 180'000}), HasSubstr("tensor 'w': expected at most 180000 bytes"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
