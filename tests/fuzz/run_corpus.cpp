// The main program of a fuzzing harness in ordinary builds: feeds it every file of the folders that are given, each
// whole, cut off at every length, and with single bits flipped.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

int main(int argc, char** argv) {
  constexpr std::size_t kVariants = 400;  // of a file, evenly spread over it
  std::size_t files = 0;
  std::size_t runs = 0;
  const auto run = [&](const std::vector<std::uint8_t>& bytes, std::size_t size) {
    // A block of just that size, so that sanitizers see any byte read behind it.
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
