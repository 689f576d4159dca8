// Charts and tables, and the page that shows them: one self-contained HTML file.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lab {

/// One curve. All vectors have the length of x; low and high may be empty (no band). A NaN value is a gap.
struct Series {
  std::string name = {};
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<double> low = {};
  std::vector<double> high = {};
  std::vector<double> other_x = {};  ///< x values in another quantity
  bool dashed = false;               ///< for theory
};

struct Chart {
  std::string section = {};  ///< heading under which charts are grouped
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::string other_x_label = {};  ///< label of Series::other_x; the reader can switch
  bool log_x = false;
  bool log_y = false;
  std::optional<double> y_low = {};
  std::optional<double> y_high = {};
  std::string note = {};
  std::map<std::string, std::string> keys = {};  ///< filters for the reader: {"model", "mlp"}
  std::vector<Series> series = {};
};

struct Row {
  std::vector<std::string> cells = {};
  std::map<std::string, std::string> keys = {};
};
struct Table {
  std::string title = {};
  std::string note = {};
  std::vector<std::string> header = {};
  std::vector<Row> rows = {};
};

struct Verdict {
  std::string title = {};
  std::vector<std::string> lines = {};
  /// The color: "good", "bad" or "".
  std::string tone = {};
};

struct Page {
  std::string title = {};
  std::string subtitle = {};
  std::vector<std::string> notices = {};  ///< shown first: "interrupted", ...
  std::vector<Verdict> verdicts = {};
  std::vector<Chart> charts = {};
  std::vector<Table> tables = {};
  std::vector<std::pair<std::string, std::string>> settings = {};
  std::vector<std::string> names = {};  ///< names of series, in the order of their colors; others follow
};

/// The colors of series in order, used cyclically: the next 8 series have the same colors and triangles for points,
/// then squares and diamonds. 32 series differ.
const std::vector<std::string>& colors();
/// The index of a series' name in page.names, or the number of names if it is not there.
std::size_t color_index(const std::vector<std::string>& names, const std::string& name);

/// Chart.js as installed by Debian's package libjs-chart.js, or the file named by NORMGRAD_CHART_JS; nothing if there
/// is none.
std::optional<std::string> chart_script();

/// Writes the page with the chart library and all data embedded. Long curves are thinned to at most about 60,000 points
/// in total. Without the library, logs a warning, shows `picture` (SVG text, may be empty) instead of charts, and
/// returns false.
bool write_page(const Page& page, const std::filesystem::path& file, const std::string& picture = {});

/// A table as Markdown and as CSV, with all rows and without keys.
std::string to_markdown(const Table& table);
std::string to_csv(const Table& table);

}  // namespace lab
