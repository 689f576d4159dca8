// Architecture tests: which rooms may include which, and which includes user code never gets.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/support/source_tree.hpp"

namespace normgrad::tests {
namespace NORMGRAD_TEST_FILE {

const std::vector<std::string> kLibrary = {"core", "layers", "optim", "data", "io", "train", "dist"};
const std::vector<std::string> kAll = {"core", "layers", "optim",    "data",  "io",   "train",
                                       "dist", "lab",    "examples", "bench", "tests"};

struct Room {
  std::string folder;
  std::set<std::string> may_include;
};

// The rooms of the library, from the bottom up, and the rooms that each may include. A room is a folder with all its
// subfolders that are not rooms themselves.
const std::vector<Room> kRooms = {
    {"core/base", {}},
    {"core/simd", {"core/base"}},
    {"core/kernels/memory", {"core/base", "core/simd"}},
    {"core/kernels/elementwise", {"core/base", "core/simd"}},
    {"core/kernels/reduce", {"core/base", "core/simd", "core/kernels/memory"}},
    {"core/kernels/order", {"core/base", "core/kernels/memory"}},
    {"core/kernels/gemm", {"core/base", "core/simd", "core/kernels/elementwise", "core/kernels/reduce"}},
    {"core/kernels/conv",
     {"core/base", "core/simd", "core/kernels/memory", "core/kernels/elementwise", "core/kernels/gemm"}},
    {"core/kernels/attention", {"core/base", "core/simd", "core/kernels/memory", "core/kernels/gemm"}},
    {"core/kernels/recurrent",
     {"core/base", "core/simd", "core/kernels/memory", "core/kernels/reduce", "core/kernels/gemm"}},
    {"core/kernels/pool", {"core/base", "core/simd"}},
    {"core/kernels/image", {"core/base"}},
    {"core/kernels/linalg", {"core/base"}},
    {"core/kernels/norm", {"core/base", "core/simd"}},
    {"core/autograd", {"core/base", "core/kernels/memory", "core/kernels/elementwise"}},
    {"core/autograd/gradcheck", {"core/base", "core/autograd"}},
    {"core/ops",
     {"core/base", "core/kernels/memory", "core/kernels/elementwise", "core/kernels/reduce", "core/kernels/order",
      "core/kernels/gemm", "core/kernels/conv", "core/kernels/attention", "core/kernels/recurrent", "core/kernels/pool",
      "core/kernels/image", "core/kernels/linalg", "core/kernels/norm", "core/autograd"}},
    {"core", {"core/autograd"}},
    {"layers/module", {"core/base", "core/autograd", "core/ops"}},
    {"layers/init", {"core/base", "core/autograd", "layers/module"}},
    {"layers", {"core/base", "core/ops", "layers/module", "layers/init"}},
    {"layers/norm", {"core/base", "core/autograd", "core/ops", "layers/module", "layers"}},
    {"layers/recurrent", {"core/base", "core/autograd", "core/ops", "layers/module", "layers/init", "layers/norm"}},
    {"layers/transformer",
     {"core/base", "core/autograd", "core/ops", "layers/module", "layers/init", "layers", "layers/norm"}},
    {"layers/container", {"core/autograd", "layers/module"}},
    {"optim", {"core/base", "core/simd", "core/kernels/reduce", "core/autograd", "core/ops"}},
    {"optim/schedules", {"core/autograd", "optim"}},
    {"data", {"core/base", "core/autograd", "core/ops"}},
    {"io", {"core/base", "core/simd", "core/kernels/gemm", "core/autograd", "core/ops", "core", "layers/module"}},
    {"train",
     {"core/base", "core/autograd", "core/ops", "layers/module", "layers", "layers/norm", "layers/recurrent",
      "layers/transformer", "layers/container", "optim", "optim/schedules"}},
    {"dist", {"core/base", "core/autograd", "core/ops", "layers/module", "layers/norm", "optim", "data"}},
};

/// The room of a file of the library: the one with the longest matching folder.
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

/// Libraries that user code must not have to compile.
bool is_foreign(const std::string& include) {
  static const std::vector<std::string> kForeign = {"xtensor/", "xtl/",  "xsimd/",   "spdlog/",  "fmt/",
                                                    "dnnl",     "CLI/",  "nlohmann", "zlib.h",   "zip.h",
                                                    "omp.h",    "mpi.h", "png.h",    "jpeglib.h"};
  return std::any_of(kForeign.begin(), kForeign.end(),
                     [&](const std::string& name) { return include.find(name) != std::string::npos; });
}

/// The rooms included by the files of each room.
std::map<std::string, std::set<std::string>> includes_between_rooms() {
  std::map<std::string, std::set<std::string>> graph;
  for (const SourceFile& file : source_files(kLibrary)) {
    const Room* room = room_of(file.path);
    for (const std::string& include : file.includes) {
      const Room* other = inside_normgrad(include).empty() ? nullptr : room_of(inside_normgrad(include));
      if (room != nullptr && other != nullptr && other != room) {
        graph[room->folder].insert(other->folder);
      }
    }
  }
  return graph;
}

/// Whether `to` can be reached from `from` without the edge between the two.
bool is_reached_otherwise(const std::map<std::string, std::set<std::string>>& graph, const std::string& from,
                          const std::string& to) {
  std::set<std::string> seen;
  std::vector<std::string> open(graph.at(from).begin(), graph.at(from).end());
  std::erase(open, to);
  while (!open.empty()) {
    const std::string room = open.back();
    open.pop_back();
    if (room == to) {
      return true;
    }
    if (seen.insert(room).second && graph.contains(room)) {
      open.insert(open.end(), graph.at(room).begin(), graph.at(room).end());
    }
  }
  return false;
}

/// The rooms and their includes as a Mermaid diagram; edges implied by others are omitted.
std::string picture_of_rooms() {
  const auto graph = includes_between_rooms();
  const auto id = [](std::string folder) {
    std::replace(folder.begin(), folder.end(), '/', '_');
    return folder;
  };
  std::string text = "flowchart TD\n";
  for (auto room = kRooms.rbegin(); room != kRooms.rend(); ++room) {
    text += "  " + id(room->folder) + "[" + room->folder + "]\n";
  }
  for (auto room = kRooms.rbegin(); room != kRooms.rend(); ++room) {
    if (!graph.contains(room->folder)) {
      continue;
    }
    for (const std::string& other : graph.at(room->folder)) {
      if (!is_reached_otherwise(graph, room->folder, other)) {
        text += "  " + id(room->folder) + " --> " + id(other) + "\n";
      }
    }
  }
  return text;
}

TEST(Floors, RoomsAreOrdered) {
  std::set<std::string> below;
  for (const Room& room : kRooms) {
    for (const std::string& other : room.may_include) {
      EXPECT_TRUE(below.contains(other)) << room.folder << " may include " << other << ", which is not below it";
    }
    below.insert(room.folder);
  }
}

TEST(Floors, IncludesGoDownwardsOnly) {
  int seen = 0;
  for (const SourceFile& file : source_files(kLibrary)) {
    const Room* room = room_of(file.path);
    ASSERT_NE(room, nullptr) << file.path << " lies in no room";
    for (const std::string& include : file.includes) {
      const std::string target = inside_normgrad(include);
      if (target.empty()) {
        continue;
      }
      ++seen;
      const Room* other = room_of(target);
      ASSERT_NE(other, nullptr) << file.path << " includes " << include << ", which is in no room of the library";
      EXPECT_TRUE(other == room || room->may_include.contains(other->folder))
          << file.path << " includes " << include << ": " << room->folder << " may not know " << other->folder;
    }
  }
  EXPECT_GT(seen, 50) << "hardly any include found: is the tree where the test looks?";
  // Every permission is used by some file.
  const auto graph = includes_between_rooms();
  for (const Room& room : kRooms) {
    for (const std::string& other : room.may_include) {
      EXPECT_TRUE(graph.contains(room.folder) && graph.at(room.folder).contains(other))
          << room.folder << " may include " << other << " but does not";
    }
  }
}

// docs/architecture.md shows the current rooms. With NORMGRAD_UPDATE_DOCS set, the diagram is rewritten.
TEST(Floors, ThePictureShowsTheRooms) {
  const std::filesystem::path page = source_dir() / "docs/architecture.md";
  std::string text;
  for (const std::string& line : read_lines(page)) {
    text += line + "\n";
  }
  const std::string fence = "```mermaid\n";
  const std::size_t begin = text.find(fence);
  ASSERT_NE(begin, std::string::npos) << "docs/architecture.md has no diagram";
  const std::size_t end = text.find("```\n", begin + fence.size());
  ASSERT_NE(end, std::string::npos);
  const std::string picture = picture_of_rooms();
  if (std::getenv("NORMGRAD_UPDATE_DOCS") != nullptr) {
    text.replace(begin + fence.size(), end - begin - fence.size(), picture);
    std::ofstream(page) << text;
  } else {
    EXPECT_EQ(text.substr(begin + fence.size(), end - begin - fence.size()), picture)
        << "NORMGRAD_UPDATE_DOCS=1 build/tests/tree_tests draws it";
  }
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

/// Whether a header is internal to the library.
bool is_internal(const std::string& path) {
  return path.find("/kernels/") != std::string::npos || path.find("/detail/") != std::string::npos;
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
    // The exchange with xtensor is opt-in.
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

// normgrad.hpp includes every public header except those that few programs use.
TEST(Headers, NormgradHppIncludesEveryPublicOne) {
  const std::set<std::string> apart = {"io/terminal_line.hpp", "layers/norm/shape_text.hpp"};
  std::set<std::string> included;
  std::vector<std::string> open = {"normgrad.hpp"};
  while (!open.empty()) {
    const std::string path = open.back();
    open.pop_back();
    if (!path.empty() && included.insert(path).second) {
      for (const std::string& include : includes_of(source_dir() / path)) {
        open.push_back(inside_normgrad(include));
      }
    }
  }
  int count = 0;
  for (const SourceFile& file : source_files({"core/ops", "layers", "optim", "data", "io", "train"})) {
    if (file.path.ends_with(".hpp") && !is_internal(file.path) && !apart.contains(file.path)) {
      ++count;
      EXPECT_TRUE(included.contains(file.path)) << "normgrad.hpp does not include " << file.path;
    }
  }
  EXPECT_GT(count, 50);
  for (const std::string& path : apart) {
    EXPECT_TRUE(std::filesystem::exists(source_dir() / path)) << path;
    EXPECT_FALSE(included.contains(path)) << path << " is included by normgrad.hpp and no longer an exception";
  }
}

TEST(Headers, DistHppIncludesEveryPublicOneOfDist) {
  const std::vector<std::string> includes = includes_of(source_dir() / "dist.hpp");
  for (const SourceFile& file : source_files({"dist"})) {
    if (file.path.ends_with(".hpp") && !is_internal(file.path)) {
      EXPECT_NE(std::find(includes.begin(), includes.end(), "normgrad/" + file.path), includes.end())
          << "dist.hpp does not include " << file.path;
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
