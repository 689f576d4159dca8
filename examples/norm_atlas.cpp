// norm_atlas: shows for each norm which elements share a statistic, what it ignores, what it costs, and what it does to
// images. See --help.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <CLI/CLI.hpp>

#include "lab/atlas/atlas.hpp"
#include "lab/files.hpp"

using namespace normgrad;

namespace {

constexpr std::int64_t kImages = 8;
constexpr std::int64_t kAnyLabel = 256;

/// The first image of each of the first classes.
Tensor one_image_per_class(const ImageDataset& images) {
  std::vector<std::int64_t> chosen;
  for (std::int64_t label = 0; label < images.num_classes() && std::ssize(chosen) < kImages; ++label) {
    for (std::int64_t i = 0; i < images.size(); ++i) {
      if (images.label(i) == label) {
        chosen.push_back(i);
        break;
      }
    }
  }
  return images.batch(chosen).inputs;
}

void print(const std::vector<atlas::Entry>& entries) {
  std::cout << std::left << std::setw(14) << "norm" << std::right << std::setw(10) << "elements" << std::setw(12)
            << "blind to" << std::setw(10) << "copies"
            << "  layer\n";
  for (const atlas::Entry& entry : entries) {
    std::cout << std::left << std::setw(14) << entry.name << std::right;
    if (!entry.reason.empty()) {
      std::cout << "  not for images: " << entry.reason << '\n';
      continue;
    }
    std::cout << std::setw(10) << std::count(entry.shared.begin(), entry.shared.end(), true) << std::setw(12)
              << entry.null_directions << std::setw(10) << std::fixed << std::setprecision(1) << entry.cost << "  "
              << entry.layer << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("norm_atlas", [&] {
    CLI::App app(
        "Shows for each norm which elements share a statistic, what its gradient is blind to, what it costs,\n"
        "and what it does to a batch of images: a table here, and a page with pictures.",
        "norm_atlas");
    std::string data = default_dataset();
    std::filesystem::path out = "out/norm_atlas";
    app.add_option("--data", data,
                   "The images: fashion-mnist, digits or a folder with MNIST-style IDX files. Default: fashion-mnist "
                   "where it is installed, else digits");
    app.add_option("--out", out, "Folder of atlas.html. Default: out/norm_atlas");
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      std::cout << app.help();
      return 0;
    } catch (const CLI::ParseError& error) {
      throw ValueError(std::string(error.what()) + " (see --help)");
    }
    lab::make_folder("--out", out);
    const Tensor images = one_image_per_class(open_dataset(data, {.num_classes = kAnyLabel}).test);
    const std::vector<atlas::Entry> entries = atlas::measure_all(images);
    atlas::write_atlas(entries, data, atlas::bitmap_uri(images), out / "atlas.html");
    print(entries);
    std::cout << "\nwrote " << (out / "atlas.html").string() << std::endl;
    return 0;
  });
}
