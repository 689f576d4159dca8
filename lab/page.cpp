#include "lab/page.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "lab/files.hpp"
#include "lab/page_assets.hpp"
#include "normgrad/normgrad.hpp"

namespace lab {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxPoints = 60'000;
constexpr std::size_t kFewestPointsOfSeries = 12;

/// Five digits are more than a screen can show.
Json rounded(double value) {
  if (!std::isfinite(value)) {
    return nullptr;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 5).ptr;
  double result = 0.0;
  std::from_chars(text.data(), end, result);
  if (result == std::trunc(result) && std::abs(result) < 1e15) {
    return static_cast<std::int64_t>(result);
  }
  return result;
}

/// The indices of every n-th point and the last one.
std::vector<std::size_t> kept_points(std::size_t count, std::size_t most) {
  std::vector<std::size_t> kept;
  const std::size_t step = count > most ? (count + most - 1) / most : 1;
  for (std::size_t i = (count - 1) % step; count > 0 && i < count; i += step) {
    kept.push_back(i);
  }
  return kept;
}

Json picked(const std::vector<double>& values, const std::vector<std::size_t>& kept) {
  Json list = Json::array();
  for (const std::size_t i : kept) {
    list.push_back(rounded(values[i]));
  }
  return list;
}

Json series_json(const Series& series, std::size_t most) {
  const std::vector<std::size_t> kept = kept_points(series.x.size(), most);
  Json json = {{"name", series.name}, {"x", picked(series.x, kept)}, {"y", picked(series.y, kept)}};
  if (!series.low.empty()) {
    json["low"] = picked(series.low, kept);
    json["high"] = picked(series.high, kept);
  }
  if (!series.other_x.empty()) {
    json["x2"] = picked(series.other_x, kept);
  }
  if (series.dashed) {
    json["dashed"] = true;
  }
  return json;
}

Json chart_json(const Chart& chart, std::size_t most) {
  Json json = {{"section", chart.section},
               {"title", chart.title},
               {"xLabel", chart.x_label},
               {"yLabel", chart.y_label},
               {"x2Label", chart.other_x_label},
               {"logX", chart.log_x},
               {"logY", chart.log_y},
               {"note", chart.note},
               {"keys", chart.keys}};
  json["yMin"] = chart.y_low ? Json(*chart.y_low) : Json(nullptr);
  json["yMax"] = chart.y_high ? Json(*chart.y_high) : Json(nullptr);
  json["series"] = Json::array();
  for (const Series& series : chart.series) {
    json["series"].push_back(series_json(series, most));
  }
  return json;
}

Json page_json(const Page& page) {
  std::size_t series = 0;
  for (const Chart& chart : page.charts) {
    series += chart.series.size();
  }
  const std::size_t most = std::max(kFewestPointsOfSeries, kMaxPoints / std::max<std::size_t>(1, series));
  Json json = {{"title", page.title}, {"subtitle", page.subtitle}, {"notices", page.notices},
               {"names", page.names}, {"colors", colors()},        {"settings", page.settings}};
  json["verdicts"] = Json::array();
  for (const Verdict& verdict : page.verdicts) {
    json["verdicts"].push_back({{"title", verdict.title}, {"lines", verdict.lines}, {"tone", verdict.tone}});
  }
  json["charts"] = Json::array();
  for (const Chart& chart : page.charts) {
    json["charts"].push_back(chart_json(chart, most));
  }
  json["tables"] = Json::array();
  for (const Table& table : page.tables) {
    Json rows = Json::array();
    for (const Row& row : table.rows) {
      rows.push_back({{"cells", row.cells}, {"keys", row.keys}});
    }
    json["tables"].push_back({{"title", table.title}, {"note", table.note}, {"header", table.header}, {"rows", rows}});
  }
  return json;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

/// Replaces the first `{{name}}` of the template.
void fill(std::string& page, const std::string& name, const std::string& text) {
  const std::string mark = "{{" + name + "}}";
  const std::size_t at = page.find(mark);
  if (at != std::string::npos) {
    page.replace(at, mark.size(), text);
  }
}

std::string html(std::string text) {
  replace_all(text, "&", "&amp;");
  replace_all(text, "<", "&lt;");
  replace_all(text, ">", "&gt;");
  return text;
}

}  // namespace

const std::vector<std::string>& colors() {
  static const std::vector<std::string> list = {"#7a7a7a", "#1f77d0", "#e0662b", "#12996b",
                                                "#b858a8", "#d69a00", "#3fb1dd", "#8c6246"};
  return list;
}

std::size_t color_index(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::optional<std::string> chart_script() {
  if (const char* file = std::getenv("NORMGRAD_CHART_JS")) {
    return read_whole(file);
  }
  for (const char* file : {"/usr/share/javascript/chart.js/chart.min.js", "/usr/share/javascript/chart.js/Chart.min.js",
                           "/usr/share/nodejs/chart.js/dist/chart.min.js"}) {
    if (std::optional<std::string> text = read_whole(file)) {
      return text;
    }
  }
  return std::nullopt;
}

bool write_page(const Page& page, const std::filesystem::path& file, const std::string& picture) {
  const std::optional<std::string> library = chart_script();
  if (!library) {
    normgrad::log(normgrad::LogLevel::warn, "no charts in ", file.string(),
                  ": Chart.js is not installed (Debian's package libjs-chart.js)");
  }
  // A script ends at any "</script"; in JSON "<\/" is equivalent to "</".
  std::string data = page_json(page).dump(-1, ' ', false, Json::error_handler_t::replace);
  replace_all(data, "</", "<\\/");
  std::string text = page_template();
  const std::size_t start = picture.find("<svg");
  fill(text, "title", html(page.title));
  fill(text, "style", page_style());
  fill(text, "picture", library || start == std::string::npos ? "" : picture.substr(start));
  // From last to first, so that inserted text is not searched.
  fill(text, "script", page_script());
  fill(text, "data", data);
  fill(text, "library", library.value_or(""));
  write_whole(file, text);
  return library.has_value();
}

std::string to_markdown(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (std::string cell : cells) {
      replace_all(cell, "|", "\\|");
      text += " " + cell + " |";
    }
    return text + "\n";
  };
  std::string text = line(table.header) + line(std::vector<std::string>(table.header.size(), "---"));
  for (const Row& row : table.rows) {
    text += line(row.cells);
  }
  return text;
}

std::string to_csv(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      std::string cell = cells[i];
      if (cell.find_first_of(",\"\n") != std::string::npos) {
        replace_all(cell, "\"", "\"\"");
        cell.insert(0, 1, '"').push_back('"');
      }
      text += (i == 0 ? "" : ",") + cell;
    }
    return text + "\n";
  };
  std::string text = line(table.header);
  for (const Row& row : table.rows) {
    text += line(row.cells);
  }
  return text;
}

}  // namespace lab
