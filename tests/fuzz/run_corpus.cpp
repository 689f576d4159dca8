// The main program of a fuzzing harness in ordinary builds. Runs it on every file of the given folders: whole,
// truncated at various lengths, and with single bits flipped.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

int main(int argc, char** argv) {
  constexpr std::size_t kVariants = 400;  // per file, evenly spread
  std::size_t files = 0;
  std::size_t runs = 0;
  const auto run = [&](const std::vector<std::uint8_t>& bytes, std::size_t size) {
    // A block of exactly this size, so that sanitizers detect reads beyond it.
    const std::vector<std::uint8_t> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
    ++runs;
  };
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream in(entry.path(), std::ios::binary);
      std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
      ++files;
      run(bytes, bytes.size());
      const std::size_t step = bytes.size() / kVariants + 1;
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        run(bytes, at);
        const auto flip = static_cast<std::uint8_t>(1U << (at % 8));
        bytes[at] ^= flip;
        run(bytes, bytes.size());
        bytes[at] ^= flip;
      }
    }
  }
  std::printf("%zu files, %zu inputs\n", files, runs);
  return files > 0 ? 0 : 1;
}
