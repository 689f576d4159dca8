// Charts and tables, and the page that shows them: one HTML file that needs nothing else.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lab {

/// One curve. All vectors are as long as x; low and high may be empty (no band). Values may be NaN: a gap.
struct Series {
  std::string name = {};
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<double> low = {};
  std::vector<double> high = {};
  std::vector<double> other_x = {};  ///< the same points against another quantity
  bool dashed = false;               ///< for theory
};

struct Chart {
  std::string section = {};  ///< charts of one section stand together
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  std::string other_x_label = {};  ///< of Series::other_x; the reader switches
  bool log_x = false;
  bool log_y = false;
  std::optional<double> y_low = {};
  std::optional<double> y_high = {};
  std::string note = {};
  std::map<std::string, std::string> keys = {};  ///< by which the reader chooses: {"model", "mlp"}
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
  /// "good", "bad" or "": how it is coloured.
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
  std::vector<std::string> names = {};  ///< of series, in the order of their colours; others follow
};

/// The colours of series in order; they go around.
const std::vector<std::string>& colours();
/// Where a series' name stands in page.names, else after them.
std::size_t colour_index(const std::vector<std::string>& names, const std::string& name);

/// Chart.js as Debian's package libjs-chart.js installs it, or the file that NORMGRAD_CHART_JS names; nothing where
/// there is none.
std::optional<std::string> chart_script();

/// Writes the page with the chart library and all data inside. Long curves are thinned so that no more than about
/// 60,000 points are in it. Without the library a warning is logged, and the page has `picture` (SVG text, may be
/// empty) instead of charts. False then.
bool write_page(const Page& page, const std::filesystem::path& file, const std::string& picture = {});

/// A table as Markdown and as CSV; all rows, keys not shown.
std::string to_markdown(const Table& table);
std::string to_csv(const Table& table);

}  // namespace lab
