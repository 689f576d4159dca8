#include "normgrad/io/detail/zip_archive.hpp"

#include <zip.h>

#include <utility>

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

namespace {

constexpr std::size_t kUnpackChunk = std::size_t{1} << 16;

struct CloseZipEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using ZipEntry = std::unique_ptr<zip_file_t, CloseZipEntry>;

}  // namespace

void ZipArchive::Discard::operator()(zip* archive) const { zip_discard(archive); }

ZipArchive::ZipArchive(std::string where, const FilePath& path, std::uint64_t limit)
    : where_(std::move(where)), limit_(limit) {
  int code = 0;
  archive_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (archive_ == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail<IoError>(where_, "is not a valid archive: ", text);
  }
  size_ = static_cast<std::uint64_t>(zip_get_num_entries(archive_.get(), 0));
}

std::string ZipArchive::name(std::uint64_t index) const {
  const char* name = zip_get_name(archive_.get(), index, 0);
  require<IoError>(name != nullptr, where_, "entry ", index, " has no name");
  return name;
}

std::optional<std::uint64_t> ZipArchive::find(const std::string& name) const {
  const zip_int64_t index = zip_name_locate(archive_.get(), name.c_str(), 0);
  return index < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(index));
}

std::string ZipArchive::unpack(const std::string& here, std::uint64_t index) {
  const ZipEntry entry(zip_fopen_index(archive_.get(), index, 0));
  require<IoError>(entry != nullptr, here, "cannot be read: ", zip_error_strerror(zip_get_error(archive_.get())));
  std::string bytes;
  for (;;) {
    const std::size_t have = bytes.size();
    bytes.resize(have + kUnpackChunk);
    const zip_int64_t got = zip_fread(entry.get(), bytes.data() + have, kUnpackChunk);
    require<IoError>(got >= 0, here, "is damaged: ", zip_error_strerror(zip_file_get_error(entry.get())));
    bytes.resize(have + static_cast<std::size_t>(got));
    charge(here, static_cast<std::uint64_t>(got));
    if (got == 0) {
      return bytes;
    }
  }
}

void ZipArchive::charge(const std::string& here, std::uint64_t bytes) {
  require<IoError>(bytes <= limit_ - taken_, here, "expected at most ", limit_,
                   " bytes in the whole archive but there are more; {.max_bytes = n} allows n");
  taken_ += bytes;
}

}  // namespace normgrad::detail
