#include <cstdio>
#include <filesystem>

#include "lab/atlas/atlas.hpp"
#include "lab/files.hpp"
#include "lab/page_assets.hpp"

namespace atlas {

namespace {

constexpr int kCell = 13;   // of an element, in pixels
constexpr int kSpace = 10;  // between channels and samples

const char* const kStyle = R"(
#atlas { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 14px; margin: 22px 0 48px; }
#atlas h2 { margin: 0; font-size: 19px; }
#atlas code { color: var(--soft); font-size: 12.5px; overflow-wrap: anywhere; }
#atlas p { margin: 8px 0 0; }
#atlas .formula { font-family: "STIX Two Math", "Cambria Math", Cambria, Georgia, serif; font-size: 16px; }
#atlas dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 12px; margin: 10px 0 0; font-size: 14px; }
#atlas svg { display: block; margin-top: 10px; max-width: 100%; height: auto; }
#atlas svg rect { fill: var(--grid); }
#atlas svg rect.on { fill: var(--accent); }
#atlas svg rect.target { stroke: var(--bad); stroke-width: 2.5; }
#atlas img, #input img { width: 100%; image-rendering: pixelated; border-radius: 6px; margin-top: 10px; }
.legend { color: var(--soft); max-width: 900px; }
.legend b { color: var(--accent); } .legend i { color: var(--bad); font-style: normal; font-weight: 600; }
)";

std::string html(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
  }
  return safe;
}

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Samples below each other, channels side by side, the elements of each in their places.
std::string picture(const Entry& entry) {
  const std::int64_t width = kChannels * kWidth * kCell + (kChannels - 1) * kSpace + 4;
  const std::int64_t height = kSamples * kHeight * kCell + (kSamples - 1) * kSpace + 4;
  std::string svg = "<svg role=\"img\" aria-label=\"elements that share a statistic\" width=\"" +
                    std::to_string(width) + "\" height=\"" + std::to_string(height) + "\" viewBox=\"0 0 " +
                    std::to_string(width) + " " + std::to_string(height) + "\">";
  std::string target;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(entry.shared.size()); ++i) {
    const std::int64_t w = i % kWidth;
    const std::int64_t h = i / kWidth % kHeight;
    const std::int64_t c = i / (kWidth * kHeight) % kChannels;
    const std::int64_t n = i / (kWidth * kHeight * kChannels);
    const std::string element = "<rect x=\"" + std::to_string(2 + c * (kWidth * kCell + kSpace) + w * kCell) +
                                "\" y=\"" + std::to_string(2 + n * (kHeight * kCell + kSpace) + h * kCell) +
                                "\" width=\"" + std::to_string(kCell - 1) + "\" height=\"" + std::to_string(kCell - 1) +
                                "\" class=\"" + (entry.shared[static_cast<std::size_t>(i)] ? "on" : "") +
                                (i == kTarget ? " target" : "") + "\"/>";
    (i == kTarget ? target : svg) += element;
  }
  return svg + target + "</svg>";
}

std::string scope(const std::vector<bool>& shared) {
  std::int64_t count = 0;
  for (const bool one : shared) {
    count += one ? 1 : 0;
  }
  return count == 1 ? "only its own element"
                    : std::to_string(count) + " of " + std::to_string(shared.size()) + " elements";
}

std::string words(bool all, bool samples, bool channels) {
  if (samples && channels) {
    return "yes, of each sample and of each channel";
  }
  return samples ? "yes, of each sample" : channels ? "yes, of each channel" : all ? "yes, of the whole batch" : "no";
}

std::string row(const std::string& key, const std::string& value) {
  return "<dt>" + html(key) + "</dt><dd>" + html(value) + "</dd>";
}

std::string card(const Entry& entry) {
  std::string text = "<div class=\"card\"><h2>" + html(entry.name) + "</h2>";
  if (!entry.reason.empty()) {
    return text + "<p class=\"formula\">" + html(entry.formula) + "</p><p>Not for images: " + html(entry.reason) +
           "</p></div>\n";
  }
  const Invariances& v = entry.invariances;
  text += "<code>" + html(entry.layer) + "</code><p class=\"formula\">" + html(entry.formula) + "</p>" +
          picture(entry) + "<dl>" +
          row("depends on", entry.shared == entry.shared_eval
                                ? scope(entry.shared)
                                : scope(entry.shared) + "; in evaluation " + scope(entry.shared_eval)) +
          row("ignores shifts", words(v.shift_of_all, v.shift_of_samples, v.shift_of_channels)) +
          row("ignores scales", words(v.scale_of_all, v.scale_of_samples, v.scale_of_channels)) +
          row("gradient", entry.null_directions == 0
                              ? "sees every direction of x"
                              : "blind to " + std::to_string(entry.null_directions) + " of " +
                                    std::to_string(kSamples * kChannels * kHeight * kWidth) + " directions of x") +
          row("time", number("%.1f", entry.cost) + " copies of its memory") + "</dl>";
  if (!entry.images.empty()) {
    text += "<img alt=\"the batch behind " + html(entry.name) + "\" src=\"" + entry.images + "\">";
  }
  return text + "</div>\n";
}

}  // namespace

void write_atlas(const std::vector<Entry>& entries, const std::string& data, const std::string& images,
                 const std::filesystem::path& file) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n"
      "<title>Atlas of norms</title>\n<style>\n";
  page += lab::page_style();
  page += kStyle;
  page += "</style>\n</head>\n<body>\n<header><div><h1>Atlas of norms</h1><p id=\"subtitle\">" +
          std::to_string(entries.size()) + " norms, each measured on the layer itself</p></div></header>\n<main>\n";
  page += "<p class=\"legend\">The squares are the elements of an input of " + std::to_string(kSamples) +
          " samples (rows) with " + std::to_string(kChannels) + " channels (columns) of " + std::to_string(kHeight) +
          "x" + std::to_string(kWidth) +
          " pixels. A change of a <b>blue</b> one changes the output at the element <i>framed in red</i>: these "
          "elements share a statistic. Shifts, scales and directions are those that leave the output of a training "
          "forward as it is. Below is a batch of images (" +
          html(data) + "), and on each card the same batch behind the norm, all in the same range of grays.</p>\n";
  page += "<div id=\"input\" class=\"card\"><h3>The batch</h3><img alt=\"the batch of images\" src=\"" + images +
          "\"></div>\n<div id=\"atlas\">\n";
  for (const Entry& entry : entries) {
    page += card(entry);
  }
  lab::write_whole(file, page + "</div>\n</main>\n</body>\n</html>\n");
}

}  // namespace atlas
