// Random numbers from a counter-based generator (Philox 4x32-10; Salmon et al., "Parallel random numbers: as easy as 1,
// 2, 3", 2011). The whole state is two integers, and every platform draws the same numbers.
#pragma once

#include <array>
#include <cstdint>

namespace normgrad {

/// A stream of random numbers. Copies continue independently from the same position.
class Generator {
 public:
  using result_type = std::uint32_t;

  /// Constructs the stream of `seed` at its start.
  constexpr explicit Generator(std::uint64_t seed = 0) noexcept : seed_(seed) {}

  /// Restarts at the beginning of the stream of `seed`.
  void manual_seed(std::uint64_t seed) noexcept { *this = Generator(seed); }
  std::uint64_t seed() const noexcept { return seed_; }
  /// Returns how many 32-bit numbers were drawn; together with the seed, the whole state.
  std::uint64_t position() const noexcept { return position_; }
  void set_position(std::uint64_t position) noexcept;

  /// Returns 32 random bits. Makes Generator a UniformRandomBitGenerator.
  std::uint32_t operator()() noexcept;
  static constexpr std::uint32_t min() noexcept { return 0; }
  static constexpr std::uint32_t max() noexcept { return 0xffffffffU; }

  std::uint64_t next64() noexcept;  ///< 64 random bits
  /// Returns a uniform number in [0, 1) with 53 random bits.
  double uniform() noexcept;
  /// Returns a uniform number in [0, 1) with 24 random bits.
  float uniform_float() noexcept;
  /// Returns a normal number with mean 0 and standard deviation 1 (Box-Muller; two 53-bit draws per number).
  double normal() noexcept;
  /// Returns a uniform integer in [0, n), without bias; n > 0.
  std::uint64_t below(std::uint64_t n) noexcept;

 private:
  std::uint64_t seed_;
  std::uint64_t position_ = 0;
  std::array<std::uint32_t, 4> block_{};  // the numbers of positions 4k..4k+3 around position_, once drawn
};

namespace detail {
/// Returns the four numbers for one counter and key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) noexcept;

// Conversions behind uniform_float(), uniform() and normal(), from 1, 2 and 4 32-bit numbers.
inline float uniform_float(const std::uint32_t* numbers) noexcept {
  return static_cast<float>(numbers[0] >> 8) * 0x1p-24F;
}
inline double uniform(const std::uint32_t* numbers) noexcept {
  return static_cast<double>((std::uint64_t{numbers[0]} << 32 | numbers[1]) >> 11) * 0x1p-53;
}
double normal(const std::uint32_t* numbers) noexcept;

}  // namespace detail

/// Returns the generator that functions use when none is passed.
Generator& default_generator() noexcept;
/// Seeds the default generator.
void manual_seed(std::uint64_t seed) noexcept;

}  // namespace normgrad
