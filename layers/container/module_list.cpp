#include "normgrad/layers/container/module_list.hpp"

#include <algorithm>

namespace normgrad {

ModuleList& ModuleList::push_back(AnyModule module) { return insert(size(), std::move(module)); }

ModuleList& ModuleList::insert(std::int64_t i, AnyModule module) {
  require<IndexError>(i >= -size() && i <= size(), "ModuleList: expected a position in [", -size(), ", ", size(),
                      "] but got ", i);
  require<ValueError>(static_cast<bool>(module), "ModuleList: expected a module but got an empty AnyModule");
  // Not vector::insert, which would assign modules to each other: each holder moves as a whole.
  std::vector<AnyModule> entries;
  entries.reserve(entries_.size() + 1);
  const auto at = static_cast<std::size_t>(i < 0 ? i + size() : i);
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    if (k == at) {
      entries.push_back(std::move(module));
    }
    entries.push_back(std::move(entries_[k]));
  }
  if (at == entries_.size()) {
    entries.push_back(std::move(module));
  }
  entries_ = std::move(entries);
  return *this;
}

ModuleList& ModuleList::extend(const ModuleList& other) {
  std::vector<AnyModule> copies = other.entries_;
  for (AnyModule& copy : copies) {
    entries_.push_back(std::move(copy));
  }
  return *this;
}

Module& ModuleList::operator[](std::int64_t i) const {
  require<IndexError>(i >= -size() && i < size(), "ModuleList: expected an index in [", -size(), ", ", size(),
                      ") but got ", i);
  return *entries_[static_cast<std::size_t>(i < 0 ? i + size() : i)];
}

std::unique_ptr<Module> ModuleList::clone() const { return std::make_unique<ModuleList>(*this); }

bool ModuleList::assign_from(const Module& other) {
  const auto* source = dynamic_cast<const ModuleList*>(&other);
  if (source != nullptr) {
    *this = *source;
  }
  return source != nullptr;
}

void ModuleList::members(MemberVisitor& visit) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    visit(std::to_string(i), entries_[i]);
  }
}

namespace {

void check_entry(const NamedModule& entry) {
  require<ValueError>(static_cast<bool>(entry.module), "ModuleDict: expected a module named '", entry.name,
                      "' but got an empty AnyModule");
  require<ValueError>(!entry.name.empty() && entry.name.find('.') == std::string::npos,
                      "ModuleDict: expected a name without dots but got '", entry.name, "'");
}

}  // namespace

ModuleDict::ModuleDict(std::initializer_list<NamedModule> modules) {
  for (const NamedModule& entry : modules) {
    insert(entry.name, entry.module);
  }
}

ModuleDict& ModuleDict::insert(std::string name, AnyModule module) {
  NamedModule entry(std::move(name), std::move(module));
  check_entry(entry);
  require<ValueError>(!contains(entry.name), "ModuleDict: a module named '", entry.name, "' already exists");
  entries_.push_back(std::move(entry));
  return *this;
}

ModuleDict& ModuleDict::update(const std::vector<NamedModule>& modules) {
  std::for_each(modules.begin(), modules.end(), check_entry);
  for (const NamedModule& entry : modules) {
    if (const std::size_t at = find(entry.name); at < entries_.size()) {
      std::destroy_at(&entries_[at].module);  // assignment would copy into the module that is replaced
      std::construct_at(&entries_[at].module, AnyModule(entry.module));
    } else {
      entries_.push_back(entry);
    }
  }
  return *this;
}

AnyModule ModuleDict::pop(const std::string& name) {
  const std::size_t at = found(name);
  std::vector<NamedModule> rest;
  AnyModule removed;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (i == at) {
      removed = std::move(entries_[i].module);
    } else {
      rest.push_back(std::move(entries_[i]));
    }
  }
  entries_ = std::move(rest);
  return removed;
}

bool ModuleDict::contains(const std::string& name) const noexcept { return find(name) < entries_.size(); }

std::vector<std::string> ModuleDict::keys() const {
  std::vector<std::string> names;
  for (const NamedModule& entry : entries_) {
    names.push_back(entry.name);
  }
  return names;
}

std::size_t ModuleDict::find(const std::string& name) const noexcept {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.name == name; });
  return static_cast<std::size_t>(at - entries_.begin());
}

std::size_t ModuleDict::found(const std::string& name) const {
  const std::size_t at = find(name);
  if (at == entries_.size()) {
    std::string names;
    for (const NamedModule& entry : entries_) {
      names += (names.empty() ? "" : ", ") + entry.name;
    }
    fail<ValueError>("ModuleDict: there is no module named '", name, "'; there are: ", names);
  }
  return at;
}

Module& ModuleDict::operator[](const std::string& name) const { return *entries_[found(name)].module; }

std::unique_ptr<Module> ModuleDict::clone() const { return std::make_unique<ModuleDict>(*this); }

bool ModuleDict::assign_from(const Module& other) {
  const auto* source = dynamic_cast<const ModuleDict*>(&other);
  if (source != nullptr) {
    *this = *source;
  }
  return source != nullptr;
}

void ModuleDict::members(MemberVisitor& visit) {
  for (NamedModule& entry : entries_) {
    visit(entry.name, entry.module);
  }
}

}  // namespace normgrad
