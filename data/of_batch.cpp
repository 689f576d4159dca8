#include "normgrad/data/detail/of_batch.hpp"

#include "normgrad/core/base/error.hpp"

namespace normgrad::detail {

namespace {

template <class E>
void rethrow_if(const std::exception& error, const std::string& text) {
  if (dynamic_cast<const E*>(&error) != nullptr) {
    throw E(text);
  }
}

}  // namespace

Generator generator_of_batch(std::uint64_t seed, std::int64_t epoch, std::int64_t batch) {
  const auto half = [](auto value, int shift) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) >> shift);
  };
  const auto mixed =
      philox({half(epoch, 0), half(epoch, 32), half(batch, 0), half(batch, 32)}, {half(seed, 0), half(seed, 32)});
  return Generator(std::uint64_t{mixed[0]} << 32 | mixed[1]);
}

void rethrow_with(const std::string& where, const std::exception& error) {
  const std::string text = where + ": " + error.what();
  rethrow_if<ShapeError>(error, text);
  rethrow_if<ValueError>(error, text);
  rethrow_if<DTypeError>(error, text);
  rethrow_if<IndexError>(error, text);
  rethrow_if<GraphError>(error, text);
  rethrow_if<IoError>(error, text);
  rethrow_if<OutOfMemoryError>(error, text);
  throw Error(text);
}

}  // namespace normgrad::detail
