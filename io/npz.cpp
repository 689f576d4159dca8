#include "normgrad/io/npz.hpp"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"
#include "normgrad/io/detail/npy_format.hpp"
#include "normgrad/io/detail/output_file.hpp"
#include "normgrad/io/detail/zip_archive.hpp"

namespace normgrad {

namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr std::size_t kZipChunk = std::size_t{1} << 16;

struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
using Archive = std::unique_ptr<zip_t, DiscardArchive>;
using Source = std::unique_ptr<zip_source_t, FreeSource>;

std::string text_of(zip_error_t* error) {
  std::string text = zip_error_strerror(error);
  zip_error_fini(error);
  return text;
}

[[noreturn]] void fail_to_pack(const FilePath& path, const char* reason) {
  fail<IoError>("save_npz: '", path.string(), "': cannot be packed: ", reason);
}

void pack(const FilePath& path, zip_t* archive, const std::string& name, const std::string& bytes, NpzOptions options) {
  const auto check = [&](bool ok) {
    if (!ok) {
      fail_to_pack(path, zip_error_strerror(zip_get_error(archive)));
    }
  };
  Source source(zip_source_buffer(archive, bytes.data(), bytes.size(), 0));
  check(source != nullptr);
  const zip_int64_t index = zip_file_add(archive, name.c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  check(index >= 0);
  static_cast<void>(source.release());  // now owned by the archive
  const auto entry = static_cast<zip_uint64_t>(index);
  check(zip_set_file_compression(archive, entry, options.compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) == 0);
  constexpr zip_uint16_t kFirstDay = 1U << 5 | 1U;  // 1 January 1980, so that the bytes do not depend on the time
  check(zip_file_set_dostime(archive, entry, 0, kFirstDay, 0) == 0);
}

void write_npz(const FilePath& path, const StateDict& tensors, NpzOptions options) {
  std::vector<std::string> arrays;  // must live until the archive is closed
  for (const auto& [name, tensor] : tensors) {
    require<ValueError>(tensor.defined(), "save_npz: '", name, "' is undefined");
    arrays.push_back(detail::npy_bytes(tensor));
  }
  detail::OutputFile file("save_npz", path);
  zip_error_t error;
  zip_error_init(&error);
  Source memory(zip_source_buffer_create(nullptr, 0, 0, &error));
  Archive archive(memory != nullptr ? zip_open_from_source(memory.get(), ZIP_TRUNCATE, &error) : nullptr);
  if (archive == nullptr) {
    fail_to_pack(path, text_of(&error).c_str());
  }
  zip_source_keep(memory.get());  // the archive owns one reference
  auto next = arrays.begin();
  for (const auto& [name, tensor] : tensors) {
    pack(path, archive.get(), name + std::string(kSuffix), *next++, options);
  }
  if (zip_close(archive.get()) != 0) {
    fail_to_pack(path, zip_error_strerror(zip_get_error(archive.get())));
  }
  static_cast<void>(archive.release());

  if (tensors.empty()) {  // libzip writes nothing in this case
    file.write(std::string("PK\x05\x06") + std::string(18, '\0'));
  } else if (zip_source_open(memory.get()) != 0) {
    fail_to_pack(path, zip_error_strerror(zip_source_error(memory.get())));
  } else {
    std::string chunk(kZipChunk, '\0');
    zip_int64_t got = 0;
    while ((got = zip_source_read(memory.get(), chunk.data(), chunk.size())) > 0) {
      file.write(chunk.data(), static_cast<std::size_t>(got));
    }
    zip_source_close(memory.get());
    if (got < 0) {
      fail_to_pack(path, zip_error_strerror(zip_source_error(memory.get())));
    }
  }
  file.commit();
}

StateDict read_npz(const FilePath& path, LoadNpzOptions options) {
  const detail::InputFile file("load_npz", path);  // reports errors of the file itself
  const std::string& where = file.where();
  detail::ZipArchive archive(where, path, file.unpack_limit(options.max_bytes));
  StateDict tensors;
  for (std::uint64_t index = 0; index < archive.size(); ++index) {
    std::string name = archive.name(index);
    require<IoError>(name.ends_with(kSuffix), where, "expected arrays, called *.npy, but got '", name, "'");
    name.resize(name.size() - kSuffix.size());
    const std::string here = detail::concat(where, "array '", name, "': ");
    require<IoError>(!tensors.contains(name), here, "appears twice");
    const std::string bytes = archive.unpack(here, index);
    tensors[name] = detail::parse_npy(here, bytes.size(), [&](std::uint64_t offset, void* to, std::size_t size) {
      std::copy_n(bytes.data() + offset, size, static_cast<char*>(to));
    });
  }
  return tensors;
}

}  // namespace

void save_npz(const FilePath& path, const StateDict& tensors, NpzOptions options) {
  detail::with_io_errors("save_npz: '" + path.string() + "': ", [&] { write_npz(path, tensors, options); });
}

StateDict load_npz(const FilePath& path, LoadNpzOptions options) {
  return detail::with_io_errors("load_npz: '" + path.string() + "': ", [&] { return read_npz(path, options); });
}

}  // namespace normgrad
