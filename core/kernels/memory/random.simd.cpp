#include "normgrad/core/kernels/memory/random.hpp"

#include "normgrad/core/simd/detail/wide_math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// The numbers of kGroups * kWords counters, in the lower halves of the lanes; the upper halves are arbitrary. The
// groups are independent, so that one is computed while another waits for a product.
constexpr int kGroups = 2;

struct PhiloxLanes {
  Words x[kGroups][4];

  PhiloxLanes(std::uint64_t seed, std::uint64_t counter) {
    Words steps{};
    for (std::int64_t i = 0; i < kWords; ++i) {
      steps[i] = static_cast<std::uint64_t>(i);
    }
    for (int g = 0; g < kGroups; ++g) {
      const Words counters = all_words(counter + static_cast<std::uint64_t>(g * kWords)) + steps;
      x[g][0] = counters;
      x[g][1] = counters >> 32;
      x[g][2] = all_words(0);
      x[g][3] = all_words(0);
    }
    auto key0 = static_cast<std::uint32_t>(seed);
    auto key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      for (auto& v : x) {
        const Words a = widening_product(v[0], all_words(0xD2511F53));
        const Words b = widening_product(v[2], all_words(0xCD9E8D57));
        v[0] = (b >> 32) ^ (v[1] ^ all_words(key0));
        v[1] = b;
        v[2] = (a >> 32) ^ (v[3] ^ all_words(key1));
        v[3] = a;
      }
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
  }
};

constexpr std::uint64_t kLowHalf = 0xFFFFFFFFU;

// The 32 bits `high` and the 21 upper bits of `low` behind the binary point, plus `kUniformOffset`, as the sum of two
// doubles.
struct UniformParts {
  Batch<double> coarse, fine;

  UniformParts(const Words& high, const Words& low)
      : coarse(doubles_of((high & kLowHalf) | 0x4130000000000000U)),         // 2^20 + high 2^-32
        fine(doubles_of(((low & kLowHalf) >> 11) | 0x3FE0000000000000U)) {}  // 0.5 + (low >> 11) 2^-53
};
constexpr double kUniformOffset = 1048576.5;

// sin(2 pi q) / q in powers of q^2 for |q| <= 1/4, accurate to 2^-43.
constexpr double kTurnSeries[] = {6.2831853071792701236,  -41.341702239903672014, 81.605249149015829376,
                                  -76.705847543773266658, 42.058134871372057197,  -15.081483206892999734,
                                  3.6658551595639611937};

}  // namespace

void random_words(std::uint64_t seed, std::uint64_t counter, std::int64_t blocks, std::uint32_t* y) {
  std::uint64_t pairs[2 * static_cast<std::size_t>(kWords)];
  for (std::int64_t i = 0; i < blocks; i += kGroups * kWords) {
    const PhiloxLanes lanes(seed, counter + static_cast<std::uint64_t>(i));
    for (int g = 0; g < kGroups; ++g) {
      const Words(&x)[4] = lanes.x[g];
      store_alternately(pairs, (x[0] & kLowHalf) | (x[1] << 32), (x[2] & kLowHalf) | (x[3] << 32));
      __builtin_memcpy(y + 4 * (i + g * kWords), pairs, 2 * sizeof(Words));
    }
  }
}

void random_columns(std::uint64_t seed, std::uint64_t counter, std::int64_t blocks, std::uint64_t* const (&y)[4]) {
  for (std::int64_t i = 0; i < blocks; i += kGroups * kWords) {
    const PhiloxLanes lanes(seed, counter + static_cast<std::uint64_t>(i));
    for (int g = 0; g < kGroups; ++g) {
      for (int j = 0; j < 4; ++j) {
        store_words(y[j] + i + g * kWords, lanes.x[g][j]);
      }
    }
  }
}

bool normal_numbers(const std::uint64_t* const (&x)[4], std::int64_t n, float* low, float* y) {
  const Batch<double> error(0x1p-41);
  for (std::int64_t i = 0; i < n; i += kWords) {
    const UniformParts first(load_words(x[0] + i), load_words(x[1] + i));
    const UniformParts second(load_words(x[2] + i), load_words(x[3] + i));
    // 1 - u, exactly.
    const Batch<double> v = (Batch<double>(kUniformOffset + 1.0) - first.coarse) - first.fine;
    const Batch<double> radius = xsimd::sqrt(Batch<double>(-2.0) * log_for_float(v));
    // cos(2 pi u) = sin(2 pi (|u - 1/2| - 1/4))
    const Batch<double> middle = (second.coarse - Batch<double>(kUniformOffset + 0.5)) + second.fine;
    const Batch<double> q = xsimd::abs(middle) - Batch<double>(0.25);
    const Batch<double> cosine = q * polynomial(q * q, kTurnSeries);
    const Batch<double> result = radius * cosine;
    store_narrow(low + i, result - error * radius);
    store_narrow(y + i, result + error * radius);
  }
  bool differs = false;
  for (std::int64_t i = 0; i < n; ++i) {
    differs |= low[i] != y[i];
  }
  return !differs;
}

bool remainders(const std::uint32_t* words, std::int64_t n, const Divisors& divisors, std::int64_t low,
                std::int64_t* y) {
  using B = Batch<double>;
  const B magic(0x1p52);  // a whole number below 2^52 plus this has its bits in the lower part
  alignas(64) double lane_numbers[static_cast<std::size_t>(kWords)];
  for (std::int64_t i = 0; i < kWords; ++i) {
    lane_numbers[i] = static_cast<double>(i);
  }
  const B step(static_cast<double>(divisors.step));
  B divisor = B(static_cast<double>(divisors.first)) - step * B::load_aligned(lane_numbers);
  const B next = step * B(static_cast<double>(kWords));
  const bool has_short_divisors = divisors.first <= 65536;
  Words least = all_words(~std::uint64_t{0});
  for (std::int64_t i = 0; i < n; i += kWords) {
    Words pairs;
    __builtin_memcpy(&pairs, words + 2 * i, sizeof(pairs));
    const B inverse = B(1.0) / divisor;
    // x modulo the divisor for x < 2^48: quotient and product are exact.
    const auto reduced = [&](const B& x) {
      const B rest = x - xsimd::nearbyint(x * inverse) * divisor;
      return B(xsimd::select(rest < B(0.0), rest + divisor, rest));
    };
    const auto whole = [&](const Words& v) { return doubles_of(v | 0x4330000000000000U) - magic; };
    const Words high = pairs & kLowHalf;
    least = least & (high | (all_words(0) - high));  // the upper half becomes 0 if `high` is 0
    B rest = reduced(whole(high));
    if (has_short_divisors) {
      rest = reduced(rest * B(4294967296.0) + whole(pairs >> 32));
    } else {
      rest = reduced(rest * B(65536.0) + whole(pairs >> 48));
      rest = reduced(rest * B(65536.0) + whole((pairs >> 32) & 0xFFFFU));
    }
    const Words result = (words_of(rest + magic) & 0xFFFFFFFFFFFFFU) + static_cast<std::uint64_t>(low);
    if (i + kWords <= n) {
      __builtin_memcpy(y + i, &result, sizeof(result));
    } else {
      __builtin_memcpy(y + i, &result, static_cast<std::size_t>(n - i) * sizeof(std::int64_t));
    }
    divisor = divisor - next;
  }
  bool none_small = true;
  for (std::int64_t i = 0; i < kWords; ++i) {
    none_small = none_small && (least[i] >> 32) != 0;
  }
  return none_small;
}

template <>
void uniform_numbers<float>(const std::uint32_t* words, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<float>(static_cast<std::int32_t>(words[i] >> 8)) * 0x1p-24F;
  }
}

template <>
void uniform_numbers<double>(const std::uint32_t* words, std::int64_t n, double* y) {
  const auto take = [words](std::int64_t i) {
    Words pairs;
    __builtin_memcpy(&pairs, words + 2 * i, sizeof(pairs));
    const UniformParts parts(pairs, pairs >> 32);  // the first number of a pair is in the lower half
    return (parts.coarse - Batch<double>(kUniformOffset)) + parts.fine;
  };
  std::int64_t i = 0;
  for (; i + kWords <= n; i += kWords) {
    store<double>(y + i, take(i));
  }
  if (i < n) {
    store_partial<double>(y + i, take(i), n - i);
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
