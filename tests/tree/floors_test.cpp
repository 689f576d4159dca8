// The architecture, checked: who may include whom, and what a user's file is spared.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace {

const std::vector<std::string> kLibrary = {"core", "layers", "optim", "data", "io"};
const std::vector<std::string> kAll = {"core", "layers", "optim", "data", "io", "examples", "bench", "tests"};

struct Room {
  std::string folder;
  std::set<std::string> may_include;
};

// The folders of the library, from the ground up, and what each may include besides itself.
const std::vector<Room> kRooms = {
    {"core/base", {}},
    {"core/kernels", {"core/base"}},
    {"core/autograd", {"core/base", "core/kernels"}},
    {"core/ops", {"core/base", "core/kernels", "core/autograd"}},
    {"core", {"core/base", "core/kernels", "core/autograd", "core/ops"}},
    {"layers", {"core/base", "core/kernels", "core/autograd", "core/ops"}},
    {"optim", {"core/base", "core/kernels", "core/autograd", "core/ops"}},
    {"data", {"core/base", "core/kernels", "core/autograd", "core/ops"}},
    {"io", {"core/base", "core/kernels", "core/autograd", "core/ops", "layers"}},
};

/// The room that a file of the library lies in: the one with the longest fitting folder.
const Room* room_of(const std::string& path) {
  const Room* best = nullptr;
  for (const Room& room : kRooms) {
    if (path.starts_with(room.folder + "/") && (best == nullptr || room.folder.size() > best->folder.size())) {
      best = &room;
    }
  }
  return best;
}

std::string inside_normgrad(const std::string& include) {
  const std::string prefix = "normgrad/";
  return include.starts_with(prefix) ? include.substr(prefix.size()) : std::string();
}

/// Libraries that a file of a user shall not have to compile.
bool is_foreign(const std::string& include) {
  static const std::vector<std::string> kForeign = {"xtensor/", "xtl/", "xsimd/",   "spdlog/", "fmt/",
                                                    "dnnl",     "CLI/", "nlohmann", "zlib.h",  "omp.h"};
  return std::any_of(kForeign.begin(), kForeign.end(),
                     [&](const std::string& name) { return include.find(name) != std::string::npos; });
}

TEST(Floors, IncludesGoDownwardsOnly) {
  int seen = 0;
  for (const SourceFile& file : source_files(kLibrary)) {
    const Room* room = room_of(file.path);
    ASSERT_NE(room, nullptr) << file.path << " lies in no known folder";
    for (const std::string& include : file.includes) {
      const std::string target = inside_normgrad(include);
      if (target.empty()) {
        continue;
      }
      ++seen;
      const Room* other = room_of(target);
      ASSERT_NE(other, nullptr) << file.path << " includes " << include << ", which is in no folder of the library";
      EXPECT_TRUE(other == room || room->may_include.contains(other->folder))
          << file.path << " includes " << include << ": " << room->folder << " may not know " << other->folder;
    }
  }
  EXPECT_GT(seen, 50) << "hardly any include found: is the tree where the test looks?";
}

TEST(Floors, KernelsDoNotKnowTensors) {
  for (const SourceFile& file : source_files({"core/kernels"})) {
    for (const std::string& line : file.lines) {
      const std::string code = line.substr(0, line.find("//"));
      EXPECT_EQ(code.find("Tensor"), std::string::npos) << file.path << ": " << line;
    }
  }
}

TEST(Floors, TheLibraryIncludesItselfByItsPublicNames) {
  for (const SourceFile& file : source_files(kLibrary)) {
    for (const std::string& include : file.includes) {
      EXPECT_FALSE(include.starts_with("core/") || include.starts_with("layers/") || include.starts_with("."))
          << file.path << " includes " << include << ": write normgrad/...";
    }
  }
}

// Everything that <normgrad/normgrad.hpp> brings along.
TEST(Headers, UsersCompileNoForeignHeaders) {
  std::map<std::string, SourceFile> files;
  for (SourceFile& file : source_files(kLibrary)) {
    const std::string path = file.path;
    files.emplace(path, std::move(file));
  }
  std::vector<std::string> open;
  for (const std::string& line : read_lines(source_dir() / "normgrad.hpp")) {
    const std::size_t begin = line.find("\"normgrad/");
    if (begin != std::string::npos) {
      open.push_back(inside_normgrad(line.substr(begin + 1, line.rfind('"') - begin - 1)));
    }
  }
  ASSERT_GT(open.size(), 10U);
  std::set<std::string> seen(open.begin(), open.end());
  while (!open.empty()) {
    const std::string path = open.back();
    open.pop_back();
    ASSERT_TRUE(files.contains(path)) << path << " is included but does not exist";
    EXPECT_FALSE(path.starts_with("core/kernels/")) << "kernels are not installed, but a user's file includes " << path;
    for (const std::string& include : files.at(path).includes) {
      EXPECT_FALSE(is_foreign(include)) << path << " includes " << include;
      const std::string target = inside_normgrad(include);
      if (!target.empty() && seen.insert(target).second) {
        open.push_back(target);
      }
    }
  }
}

// Foreign headers in headers of the library: the exchange with xtensor, which is opt-in, and what only sources include.
TEST(Headers, ForeignHeadersAreRare) {
  for (const SourceFile& file : source_files(kLibrary)) {
    if (!file.path.ends_with(".hpp") || file.path.starts_with("core/kernels/")) {
      continue;
    }
    const std::string name = std::filesystem::path(file.path).filename();
    const bool allowed = name == "xtensor.hpp" || name == "simd_batch.hpp";
    for (const std::string& include : file.includes) {
      EXPECT_TRUE(allowed || !is_foreign(include)) << file.path << " includes " << include;
    }
  }
}

TEST(Headers, EveryHeaderIsGuarded) {
  for (const SourceFile& file : source_files(kAll)) {
    if (file.path.ends_with(".hpp")) {
      EXPECT_NE(std::find(file.lines.begin(), file.lines.end(), "#pragma once"), file.lines.end()) << file.path;
    }
  }
}

TEST(Files, FitIntoAHead) {
  for (const SourceFile& file : source_files(kAll)) {
    EXPECT_LE(file.lines.size(), 450U) << file.path << " holds more than one concept: split it";
  }
}

}  // namespace
}  // namespace normgrad::tests
