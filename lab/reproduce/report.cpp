#include "lab/reproduce/report.hpp"

#include <filesystem>
#include <ostream>
#include <sstream>
#include <nlohmann/json.hpp>

#include "lab/figure.hpp"
#include "lab/files.hpp"

namespace reproduce {

using Json = nlohmann::ordered_json;

namespace {

const char* verdict(const Finding& finding) {
  if (!finding.judged) {
    return "not judged";
  }
  return finding.held ? "held" : "NOT HELD";
}

/// The number of findings that held, of those that were judged.
struct Score {
  std::size_t held = 0;
  std::size_t judged = 0;
  std::size_t all = 0;
};

Score score_of(const Outcome& outcome) {
  Score score{.all = outcome.findings.size()};
  for (const Finding& finding : outcome.findings) {
    score.judged += finding.judged ? 1 : 0;
    score.held += finding.judged && finding.held ? 1 : 0;
  }
  return score;
}

/// "2 of 3 claims held", "2 of 2 claims held, 2 not judged".
std::string to_text(const Score& score) {
  std::string text = std::to_string(score.held) + " of " + std::to_string(score.judged) + " claims held";
  if (score.all > score.judged) {
    text += ", " + std::to_string(score.all - score.judged) + " not judged";
  }
  return text;
}

lab::Table findings_table(const Outcome& outcome) {
  lab::Table table{.title = outcome.name, .header = {"", "the paper says", "its number", "measured here"}};
  for (const Finding& finding : outcome.findings) {
    table.rows.push_back({.cells = {verdict(finding), finding.claim, finding.published, finding.measured},
                          .keys = {{"experiment", outcome.name}}});
  }
  return table;
}

/// Breaks text at spaces so that no line is longer than `width`. Continuation lines are indented.
std::string wrapped(const std::string& text, std::size_t width, const std::string& indent) {
  std::istringstream in(text);
  std::string out;
  std::size_t column = 0;
  for (std::string word; in >> word;) {
    if (column > 0 && column + 1 + word.size() > width) {
      out += "\n" + indent;
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

}  // namespace

void print(const Outcome& outcome, std::ostream& out) {
  constexpr std::size_t kWidth = 100;
  const std::string indent(14, ' ');
  const auto line = [&](const std::string& label, const std::string& text) {
    out << "  " << label << std::string(12 - label.size(), ' ') << wrapped(text, kWidth, indent) << '\n';
  };
  out << '\n' << outcome.name << '\n';
  line("source", outcome.source);
  line("set-up", outcome.setup);
  line("differs", outcome.differs);
  for (const Finding& finding : outcome.findings) {
    out << '\n';
    line(verdict(finding), finding.claim);
    line("published", finding.published);
    line("measured", finding.measured);
  }
  out << "\n  " << to_text(score_of(outcome)) << "; " << fixed(outcome.seconds, 0) << " s\n" << std::flush;
}

void write_outcome(const Outcome& outcome, const std::filesystem::path& folder) {
  const bool drawn = !outcome.charts.empty() && lab::draw_figure(outcome.charts, folder, outcome.name,
                                                                 {.columns = outcome.charts.size() == 1 ? 1 : 2});
  std::string text = "## " + outcome.name + "\n\nSource: " + outcome.source + ".\n\nSet-up: " + outcome.setup +
                     ".\n\nDifferent from the paper: " + outcome.differs + "\n\n" +
                     to_markdown(findings_table(outcome));
  for (const lab::Table& table : outcome.tables) {
    text += "\n" + table.title + ":\n\n" + to_markdown(table);
  }
  if (drawn) {
    text += "\n![" + outcome.name + "](" + outcome.name + ".png)\n";
  }
  lab::write_whole(folder / (outcome.name + ".md"), text);
  Json json = {{"name", outcome.name},       {"source", outcome.source},   {"setup", outcome.setup},
               {"differs", outcome.differs}, {"seconds", outcome.seconds}, {"findings", Json::array()}};
  for (const Finding& finding : outcome.findings) {
    json["findings"].push_back({{"claim", finding.claim},
                                {"published", finding.published},
                                {"measured", finding.measured},
                                {"held", finding.judged ? Json(finding.held) : Json()}});
  }
  lab::write_whole(folder / (outcome.name + ".json"), json.dump(2) + "\n");
}

void write_report(const std::vector<Outcome>& outcomes, const std::string& command,
                  const std::filesystem::path& folder) {
  lab::Page page;
  page.title = "Published claims about norms, run again";
  Score total;
  for (const Outcome& outcome : outcomes) {
    const Score mine = score_of(outcome);
    total.held += mine.held;
    total.judged += mine.judged;
    total.all += mine.all;
    page.verdicts.push_back(
        {.title = outcome.name,
         .lines = {to_text(mine), outcome.source, "Set-up: " + outcome.setup, "Different: " + outcome.differs},
         .tone = mine.held == mine.judged ? "good" : "bad"});
    page.tables.push_back(findings_table(outcome));
    for (lab::Chart chart : outcome.charts) {
      chart.keys["experiment"] = outcome.name;
      page.charts.push_back(chart);
    }
    for (lab::Table table : outcome.tables) {
      for (lab::Row& row : table.rows) {
        row.keys["experiment"] = outcome.name;
      }
      page.tables.push_back(table);
    }
    page.settings.emplace_back(outcome.name, fixed(outcome.seconds, 0) + " s");
  }
  page.subtitle = to_text(total) + ".";
  page.settings.insert(page.settings.begin(), {"Command", command});
  lab::write_page(page, folder / "report.html");
}

}  // namespace reproduce
