#include "normgrad/io/detail/pickle.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace normgrad::detail {

namespace {

using Kind = PickleValue::Kind;
using Ref = std::uint32_t;

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kSize = "torch.Size";
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::array<std::string_view, 4> kFunctions = {kOrderedDict, kSize, kRebuildTensor, kRebuildParameter};

struct StorageClass {
  std::string_view name;
  ElementType type;
};
constexpr std::array<StorageClass, 10> kStorages = {{{"torch.FloatStorage", ElementType::F32},
                                                     {"torch.DoubleStorage", ElementType::F64},
                                                     {"torch.HalfStorage", ElementType::F16},
                                                     {"torch.BFloat16Storage", ElementType::BF16},
                                                     {"torch.LongStorage", ElementType::I64},
                                                     {"torch.IntStorage", ElementType::I32},
                                                     {"torch.ShortStorage", ElementType::I16},
                                                     {"torch.CharStorage", ElementType::I8},
                                                     {"torch.ByteStorage", ElementType::U8},
                                                     {"torch.BoolStorage", ElementType::BOOL}}};

const StorageClass* find_storage(const std::string& name) {
  const auto* found = std::find_if(kStorages.begin(), kStorages.end(), [&](const auto& s) { return s.name == name; });
  return found == kStorages.end() ? nullptr : found;
}

// Executes the opcodes of https://docs.python.org/3/library/pickletools.html that the supported values need.
class PickleReader {
 public:
  PickleReader(const std::string& where, const std::string& bytes, const std::function<void(std::uint64_t)>& charge)
      : where_(where), bytes_(bytes), charge_(charge) {}

  Pickle read() {
    while (!step()) {
    }
    check(stack_.size() == 1 && marks_.empty(), "ends before its value is complete");
    pickle_.root = stack_.back();
    return std::move(pickle_);
  }

 private:
  template <class... Parts>
  void check(bool ok, const Parts&... parts) const {
    if (!ok) {
      fail<IoError>(where_, "byte ", start_, ": ", parts...);
    }
  }

  std::string_view take(std::uint64_t count) {
    check(count <= bytes_.size() - at_, "expected ", count, " more bytes but the pickle has ", bytes_.size() - at_);
    const std::string_view part(bytes_.data() + at_, static_cast<std::size_t>(count));
    at_ += part.size();
    return part;
  }
  /// Little-endian.
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    const std::string_view part = take(size);
    for (std::size_t i = 0; i < size; ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(part[i])} << (8 * i);
    }
    return value;
  }
  std::string line() {
    const std::size_t end = bytes_.find('\n', at_);
    check(end != std::string::npos, "expected a line");
    std::string text(take(end - at_));
    take(1);
    return text;
  }

  PickleValue& push(PickleValue value) {
    check(pickle_.values.size() < UINT32_MAX, "has too many values");
    charge_(sizeof(PickleValue) + value.text.size() + value.items.size() * sizeof(Ref));
    stack_.push_back(static_cast<Ref>(pickle_.values.size()));
    return pickle_.values.emplace_back(std::move(value));
  }
  Ref pop() {
    check(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "expected a value before it");
    const Ref value = stack_.back();
    stack_.pop_back();
    return value;
  }
  const PickleValue& value(Ref i) const { return pickle_.values[i]; }
  std::vector<Ref> pop_to_mark() {
    check(!marks_.empty(), "expected a mark before it");
    std::vector<Ref> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  PickleValue& top(Kind kind, const char* expected) {
    check(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "expected ", expected, " before it");
    PickleValue& value = pickle_.values[stack_.back()];
    check(value.kind == kind, "expected ", expected, " before it");
    return value;
  }
  void append(const std::vector<Ref>& items) {
    charge_(items.size() * sizeof(Ref));
    PickleValue& list = top(Kind::list, "a list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<Ref>& items) {
    check(items.size() % 2 == 0, "expected keys with values");
    charge_(items.size() * sizeof(Ref));
    PickleValue& dict = top(Kind::dict, "a dict");
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }
  void push_tuple(std::size_t size) {
    std::vector<Ref> items(size);
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
      *item = pop();
    }
    push({.kind = Kind::tuple, .items = std::move(items)});
  }

  void memoize(std::uint64_t key) {
    const Ref top = pop();
    stack_.push_back(top);
    charge_(4 * sizeof(Ref));
    memo_[key] = top;
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    check(found != memo_.end(), "refers to value ", key, ", which it has not stored");
    charge_(sizeof(Ref));
    stack_.push_back(found->second);
  }

  void push_global(const std::string& name) {
    const bool known =
        std::find(kFunctions.begin(), kFunctions.end(), name) != kFunctions.end() || find_storage(name) != nullptr;
    require<IoError>(known, where_, "contains '", name,
                     "', which is not loaded: expected tensors, numbers, texts, lists, tuples and dicts alone, as "
                     "torch.save(model.state_dict(), ...) writes");
    push({.kind = Kind::global, .text = name});
  }
  void push_integer(std::size_t size) {
    check(size <= 8, "expected integers of at most 64 bits but got ", size, " bytes");
    std::uint64_t bits = number(size);
    if (size > 0 && size < 8 && (bits >> (8 * size - 1)) != 0) {
      bits |= ~std::uint64_t{0} << (8 * size);
    }
    push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(bits)});
  }
  void push_real() {
    std::uint64_t bits = 0;
    for (const char byte : take(8)) {  // big-endian
      bits = bits << 8 | static_cast<unsigned char>(byte);
    }
    push({.kind = Kind::real, .real = std::bit_cast<double>(bits)});
  }
  void push_text(std::size_t size_bytes) {
    const std::string_view text = take(number(size_bytes));
    push({.kind = Kind::text, .text = std::string(text)});
  }

  // ("storage", class, key, device, number of elements)
  void push_storage() {
    const PickleValue& id = value(pop());
    const auto kind_of = [&](std::size_t i) { return value(id.items[i]).kind; };
    check(id.kind == Kind::tuple && id.items.size() == 5 && kind_of(0) == Kind::text &&
              value(id.items[0]).text == "storage" && kind_of(1) == Kind::global && kind_of(2) == Kind::text &&
              kind_of(4) == Kind::integer,
          "expected a reference to a storage");
    const StorageClass* storage = find_storage(value(id.items[1]).text);
    check(storage != nullptr, "expected the class of a storage but got '", value(id.items[1]).text, "'");
    push({.kind = Kind::storage,
          .integer = value(id.items[4]).integer,
          .text = value(id.items[2]).text,
          .element = &info_of(storage->type)});
  }

  void reduce() {
    const PickleValue& arguments = value(pop());
    const PickleValue& function = value(pop());
    check(arguments.kind == Kind::tuple && function.kind == Kind::global, "expected a function and its arguments");
    const std::vector<Ref>& items = arguments.items;
    const auto is = [&](std::size_t i, Kind kind) { return i < items.size() && value(items[i]).kind == kind; };
    if (function.text == kOrderedDict) {
      check(items.empty(), "expected no arguments of ", kOrderedDict, " but got ", items.size());
      push({.kind = Kind::dict});
    } else if (function.text == kSize) {
      check(items.size() == 1 && is(0, Kind::tuple), "expected a tuple as the argument of ", kSize);
      stack_.push_back(items[0]);
    } else if (function.text == kRebuildTensor) {
      const auto are_integers = [&](std::size_t i) {
        const std::vector<Ref>& numbers = value(items[i]).items;
        return std::all_of(numbers.begin(), numbers.end(), [&](Ref n) { return value(n).kind == Kind::integer; });
      };
      check((items.size() == 6 || items.size() == 7) && is(0, Kind::storage) && is(1, Kind::integer) &&
                is(2, Kind::tuple) && is(3, Kind::tuple) && are_integers(2) && are_integers(3),
            "expected a storage, an offset, sizes and strides as the arguments of ", kRebuildTensor);
      check(items.size() == 6 || is(6, Kind::none) || (is(6, Kind::dict) && value(items[6]).items.empty()),
            "expected a tensor without the metadata of a conjugated or negated one");
      push({.kind = Kind::tensor, .items = {items.begin(), items.begin() + 4}});
    } else if (function.text == kRebuildParameter) {
      check(items.size() == 3 && is(0, Kind::tensor), "expected a tensor as the argument of ", kRebuildParameter);
      stack_.push_back(items[0]);
    } else {
      check(false, "'", function.text, "' is not a function");
    }
  }

  // Attributes of an object: the _metadata of a state dict, which no tensor depends on.
  void build() {
    pop();
    top(Kind::dict, "attributes of nothing but a dict");
  }

  /// Returns whether the pickle has ended.
  bool step() {
    start_ = at_;
    const auto opcode = static_cast<unsigned char>(take(1)[0]);
    switch (opcode) {
      case 0x80: {  // PROTO
        const std::uint64_t protocol = number(1);
        check(protocol >= 2 && protocol <= 5, "expected protocol 2 to 5 but got ", protocol);
        break;
      }
      case 0x95:  // FRAME
        take(8);
        break;
      case '.':
        return true;
      case '(':
        charge_(sizeof(std::size_t));
        marks_.push_back(stack_.size());
        break;
      case '0':  // POP
        pop();
        break;
      case 'N':
        push({});
        break;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push({.kind = Kind::boolean, .integer = opcode == 0x88 ? 1 : 0});
        break;
      case 'K':  // BININT1
        push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(number(1))});
        break;
      case 'M':  // BININT2
        push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(number(2))});
        break;
      case 'J':  // BININT
        push_integer(4);
        break;
      case 0x8a:  // LONG1
        push_integer(static_cast<std::size_t>(number(1)));
        break;
      case 'G':
        push_real();
        break;
      case 0x8c:  // SHORT_BINUNICODE
        push_text(1);
        break;
      case 'X':  // BINUNICODE
        push_text(4);
        break;
      case 0x8d:  // BINUNICODE8
        push_text(8);
        break;
      case ')':
        push_tuple(0);
        break;
      case 0x85:  // TUPLE1 to TUPLE3
      case 0x86:
      case 0x87:
        push_tuple(opcode - 0x84U);
        break;
      case 't': {
        std::vector<Ref> items = pop_to_mark();
        push({.kind = Kind::tuple, .items = std::move(items)});
        break;
      }
      case ']':
        push({.kind = Kind::list});
        break;
      case 'a': {
        const Ref item = pop();
        append({item});
        break;
      }
      case 'e':
        append(pop_to_mark());
        break;
      case '}':
        push({.kind = Kind::dict});
        break;
      case 's': {
        const Ref item = pop();
        const Ref key = pop();
        set_items({key, item});
        break;
      }
      case 'u':
        set_items(pop_to_mark());
        break;
      case 'q':  // BINPUT
        memoize(number(1));
        break;
      case 'r':  // LONG_BINPUT
        memoize(number(4));
        break;
      case 0x94:  // MEMOIZE
        memoize(memo_.size());
        break;
      case 'h':  // BINGET
        recall(number(1));
        break;
      case 'j':  // LONG_BINGET
        recall(number(4));
        break;
      case 'c': {  // GLOBAL
        const std::string module = line();
        push_global(module + "." + line());
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleValue& name = value(pop());
        const PickleValue& module = value(pop());
        check(name.kind == Kind::text && module.kind == Kind::text, "expected the name of a class or function");
        push_global(module.text + "." + name.text);
        break;
      }
      case 'Q':  // BINPERSID
        push_storage();
        break;
      case 'R':
        reduce();
        break;
      case 'b':
        build();
        break;
      default:
        check(false, "opcode ", int{opcode}, " is not one of tensors, numbers, texts, lists, tuples or dicts");
    }
    return false;
  }

  const std::string& where_;
  const std::string& bytes_;
  const std::function<void(std::uint64_t)>& charge_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  Pickle pickle_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Ref> memo_;
};

}  // namespace

Pickle read_pickle(const std::string& where, const std::string& bytes,
                   const std::function<void(std::uint64_t)>& charge) {
  return PickleReader(where, bytes, charge).read();
}

}  // namespace normgrad::detail
