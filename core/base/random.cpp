#include "normgrad/core/base/random.hpp"

#include <cmath>
#include <numbers>

namespace normgrad {

std::array<std::uint32_t, 4> detail::philox(std::array<std::uint32_t, 4> counter,
                                            std::array<std::uint32_t, 2> key) noexcept {
  std::array<std::uint32_t, 4>& x = counter;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * x[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<std::uint32_t>(b >> 32) ^ x[1] ^ key[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ x[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return x;
}

namespace {

std::array<std::uint32_t, 4> block_of(std::uint64_t counter, std::uint64_t seed) noexcept {
  return detail::philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0},
                        {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

}  // namespace

void Generator::set_position(std::uint64_t position) noexcept {
  position_ = position;
  if (position % 4 != 0) {
    block_ = block_of(position / 4, seed_);
  }
}

std::uint32_t Generator::operator()() noexcept {
  if (position_ % 4 == 0) {
    block_ = block_of(position_ / 4, seed_);
  }
  return block_[position_++ % 4];
}

std::uint64_t Generator::next64() noexcept {
  const std::uint64_t high = (*this)();
  return high << 32 | (*this)();
}

double detail::normal(const std::uint32_t* numbers) noexcept {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform(numbers)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(numbers + 2));
}

double Generator::uniform() noexcept {
  const std::array<std::uint32_t, 2> numbers{(*this)(), (*this)()};
  return detail::uniform(numbers.data());
}

float Generator::uniform_float() noexcept {
  const std::uint32_t number = (*this)();
  return detail::uniform_float(&number);
}

double Generator::normal() noexcept {
  const std::array<std::uint32_t, 4> numbers{(*this)(), (*this)(), (*this)(), (*this)()};
  return detail::normal(numbers.data());
}

std::uint64_t Generator::below(std::uint64_t n) noexcept {
  const std::uint64_t rest = (0 - n) % n;  // 2^64 mod n: smaller draws would favor small numbers
  for (;;) {
    const std::uint64_t draw = next64();
    if (draw >= rest) {
      return draw % n;
    }
  }
}

Generator& default_generator() noexcept {
  static constinit Generator generator(0);  // needs no construction, which a fork() could cut in two
  return generator;
}

void manual_seed(std::uint64_t seed) noexcept { default_generator().manual_seed(seed); }

}  // namespace normgrad
