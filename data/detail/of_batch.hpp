// Errors and random numbers of one batch, shared by the loaders.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include "normgrad/core/base/random.hpp"

namespace normgrad::detail {

/// Returns the random numbers of a batch: a separate stream for each.
Generator generator_of_batch(std::uint64_t seed, std::int64_t epoch, std::int64_t batch);

/// Throws the error again with its type, if that is one of the library's, and the text "where: what()".
[[noreturn]] void rethrow_with(const std::string& where, const std::exception& error);

}  // namespace normgrad::detail
