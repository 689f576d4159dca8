// The architecture, checked: who may include whom, and what a user's file is spared.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

const std::vector<std::string> kLibrary = {"core", "layers", "optim", "data", "io", "train"};
const std::vector<std::string> kAll = {"core", "layers", "optim", "data", "io", "train", "examples", "bench", "tests"};

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
    {"io", {"core/base", "core/kernels", "core/autograd", "core/ops", "core", "layers"}},
    {"train", {"core/base", "core/autograd", "core/ops", "layers", "optim", "data", "io"}},
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
  static const std::vector<std::string> kForeign = {"xtensor/", "xtl/",     "xsimd/", "spdlog/", "fmt/", "dnnl",
                                                    "CLI/",     "nlohmann", "zlib.h", "zip.h",   "omp.h"};
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

/// Whether a header is for the library's own sources: it, or its folder, is in the list of CMakeLists.txt.
bool is_internal(const std::string& path) {
  std::istringstream list(NORMGRAD_INTERNAL_HEADERS);
  for (std::string internal; std::getline(list, internal, ',');) {
    if (path == internal || path.starts_with(internal + "/")) {
      return true;
    }
  }
  return false;
}

TEST(Headers, InstalledOnesNeedNothingElse) {
  std::set<std::string> installed;
  std::vector<SourceFile> files = source_files(kLibrary);
  std::erase_if(files, [](const SourceFile& file) { return !file.path.ends_with(".hpp") || is_internal(file.path); });
  for (const SourceFile& file : files) {
    installed.insert(file.path);
  }
  files.push_back({"normgrad.hpp", {}, includes_of(source_dir() / "normgrad.hpp")});
  ASSERT_GT(files.back().includes.size(), 10U);
  for (const SourceFile& file : files) {
    // The exchange with xtensor is for programs that use it.
    const bool opt_in = file.path == "core/xtensor.hpp";
    for (const std::string& include : file.includes) {
      const std::string target = inside_normgrad(include);
      EXPECT_TRUE(target.empty() || installed.contains(target))
          << file.path << " is installed, but includes " << include << ", which is not";
      EXPECT_TRUE(opt_in || !is_foreign(include)) << file.path << " includes " << include;
      EXPECT_NE(target, "core/xtensor.hpp") << file.path << " makes everybody compile xtensor";
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

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad::tests
