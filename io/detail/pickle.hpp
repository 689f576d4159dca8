// The part of Python's pickle format in which torch.save() writes tensors and plain values. Nothing in a file is
// executed: the names of classes and functions are compared with a fixed list.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normgrad/io/detail/elements.hpp"

namespace normgrad::detail {

/// A value of a pickle. Values refer to others by position in Pickle::values, so that nothing is recursive: a value may
/// contain itself.
struct PickleValue {
  enum class Kind { none, boolean, integer, real, text, tuple, list, dict, global, storage, tensor };

  Kind kind = Kind::none;
  std::int64_t integer = 0;              ///< boolean, integer; a storage: its number of elements
  double real = 0.0;                     ///< real
  std::string text = {};                 ///< text; a global: "module.name"; a storage: its key
  std::vector<std::uint32_t> items = {}; /**< tuple, list; a dict: each key and its value; a tensor: its storage,
                                            offset, sizes and strides, of these kinds */
  const ElementInfo* element = nullptr;  ///< a storage's elements
};

struct Pickle {
  std::vector<PickleValue> values;
  std::uint32_t root = 0;

  const PickleValue& at(std::uint32_t i) const { return values[i]; }
};

/// Reads a pickle of protocol 2 to 5. Calls `charge` with the memory that each value needs before it is made. Throws
/// IoError that begins with `where`, names what the file contains and the position, if it is damaged or contains
/// anything but tensors, numbers, texts, lists, tuples and dicts.
Pickle read_pickle(const std::string& where, const std::string& bytes,
                   const std::function<void(std::uint64_t)>& charge);

}  // namespace normgrad::detail
