#include "lab/page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <regex>
#include <set>

#include "lab/figure.hpp"
#include "lab/files.hpp"
#include "tests/support/browser.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/normgrad.hpp"

namespace lab {
namespace NORMGRAD_TEST_FILE {

using normgrad::tests::BrowserResult;
using normgrad::tests::find_browser;
using normgrad::tests::open_in_browser;
using normgrad::tests::TemporaryFolder;
using testing::HasSubstr;
using testing::Not;

Chart chart_of(const std::string& title, std::size_t points) {
  Chart chart{
      .section = "Curves", .title = title, .x_label = "step", .y_label = "accuracy", .other_x_label = "seconds"};
  for (const std::string name : {"none", "batch"}) {
    Series series{.name = name};
    for (std::size_t i = 0; i < points; ++i) {
      const auto x = static_cast<double>(i + 1);
      series.x.push_back(x);
      series.y.push_back(std::sqrt(x) / 3.0);
      series.low.push_back(std::sqrt(x) / 4.0);
      series.high.push_back(std::sqrt(x) / 2.0);
      series.other_x.push_back(0.1 * x);
    }
    chart.series.push_back(series);
  }
  chart.keys = {{"model", title}};
  return chart;
}

Page page_of(std::size_t charts, std::size_t points) {
  Page page{.title = "Title </script><b>", .subtitle = "Subtitle"};
  for (std::size_t i = 0; i < charts; ++i) {
    page.charts.push_back(chart_of("model " + std::to_string(i), points));
  }
  page.verdicts.push_back({.title = "mlp", .lines = {"batch is better"}});
  page.tables.push_back({.title = "All", .header = {"norm", "accuracy"}, .rows = {{.cells = {"none", "80.1"}}}});
  page.settings.emplace_back("Command", "compare_norms");
  page.names = {"none", "batch"};
  return page;
}

TEST(PageTest, DrawsEveryChartWithoutANetwork) {
  ASSERT_TRUE(find_browser()) << "chromium is not installed (scripts/setup.sh test)";
  TemporaryFolder folder;
  Page page = page_of(3, 20);
  page.charts[1].log_x = page.charts[1].log_y = true;
  page.charts[2].series[0].y[3] = std::numeric_limits<double>::quiet_NaN();
  ASSERT_TRUE(write_page(page, folder / "page.html"));
  const BrowserResult result = open_in_browser(folder / "page.html", "all");
  EXPECT_EQ(result.console, "");
  EXPECT_THAT(result.document, HasSubstr("data-errors=\"0\""));
  EXPECT_THAT(result.document, HasSubstr("data-ready=\"yes\""));
  EXPECT_THAT(result.document, HasSubstr("data-charts=\"3\""));
  EXPECT_THAT(result.document, HasSubstr("data-drawn=\"3\""));
  EXPECT_THAT(result.document, HasSubstr("batch is better"));
}

TEST(PageTest, TheBrowserTestNoticesWhatItIsFor) {
  ASSERT_TRUE(find_browser()) << "chromium is not installed (scripts/setup.sh test)";
  TemporaryFolder folder;
  Page page = page_of(2, 5);
  for (Series& series : page.charts[1].series) {
    series.y.assign(5, std::numeric_limits<double>::quiet_NaN());
  }
  write_page(page, folder / "page.html");
  EXPECT_THAT(open_in_browser(folder / "page.html", "all").document, HasSubstr("data-drawn=\"1\""));
  std::string text = *read_whole(folder / "page.html");
  text.insert(text.find("</body>"), "<script>throw new Error('planted');</script>");
  write_whole(folder / "broken.html", text);
  EXPECT_THAT(open_in_browser(folder / "broken.html", "").console, HasSubstr("planted"));
}

TEST(PageTest, NeedsNothingElse) {
  TemporaryFolder folder;
  write_page(page_of(1, 5), folder / "page.html");
  std::string text = *read_whole(folder / "page.html");
  EXPECT_THAT(text, Not(HasSubstr("</script><b>")));
  for (const std::string wanted : {"src=\"", "@import", "url(", "<link rel=\"stylesheet"}) {
    EXPECT_EQ(text.find(wanted), std::string::npos) << wanted;
  }
}

TEST(PageTest, ManyCurvesStaySmallAndUsable) {
  ASSERT_TRUE(find_browser()) << "chromium is not installed (scripts/setup.sh test)";
  TemporaryFolder folder;
  // 1,000 runs, each with its own setting and 200 measurements, accuracy and loss.
  const Page page = page_of(1000, 200);
  ASSERT_TRUE(write_page(page, folder / "page.html"));
  EXPECT_LT(std::filesystem::file_size(folder / "page.html"), 5'000'000U);
  const BrowserResult result = open_in_browser(folder / "page.html", "");
  EXPECT_EQ(result.console, "");
  EXPECT_THAT(result.document, HasSubstr("data-drawn=\"1\""));  // one setting at a time, selected from a list
  EXPECT_THAT(result.document, HasSubstr("<option value=\"model 999\">"));
}

// Series with the same color have another symbol, in the page and in the picture.
TEST(PageTest, ManyNamesCanBeToldApart) {
  ASSERT_TRUE(find_browser()) << "chromium is not installed (scripts/setup.sh test)";
  TemporaryFolder folder;
  Page page = page_of(1, 20);
  page.names.clear();
  const Series one = page.charts[0].series[0];
  page.charts[0].series.clear();
  for (int i = 0; i < 32; ++i) {
    page.names.push_back("norm" + std::to_string(i));
    page.charts[0].series.push_back(one);
    page.charts[0].series.back().name = page.names.back();
  }
  ASSERT_TRUE(write_page(page, folder / "page.html"));
  const std::string document = open_in_browser(folder / "page.html", "all").document;
  EXPECT_THAT(document, HasSubstr("data-errors=\"0\""));
  const std::regex chip("class=\"chip\" [^>]*style=\"--c:(#\\w+)\"[^>]*data-symbol=\"(\\w+)\"");
  std::set<std::string> looks;
  for (std::sregex_iterator at(document.begin(), document.end(), chip); at != std::sregex_iterator(); ++at) {
    EXPECT_TRUE(looks.insert((*at)[1].str() + (*at)[2].str()).second) << at->str();
  }
  EXPECT_EQ(looks.size(), 32U);
  draw_figure(page.charts, folder.path(), "picture", {.names = page.names});
  const std::string script = *read_whole(folder / "picture.gp");
  const std::regex curve("linecolor rgb '(#\\w+)' linewidth 2 pointtype (\\d+)");
  std::set<std::string> drawn;
  for (std::sregex_iterator at(script.begin(), script.end(), curve); at != std::sregex_iterator(); ++at) {
    drawn.insert((*at)[1].str() + " " + (*at)[2].str());
  }
  EXPECT_EQ(drawn.size(), 32U);
}

TEST(PageTest, WithoutTheChartLibraryShowsThePicture) {
  TemporaryFolder folder;
  setenv("NORMGRAD_CHART_JS", "/nowhere/chart.js", 1);
  EXPECT_FALSE(write_page(page_of(1, 5), folder / "page.html", "<?xml?><svg><title>picture</title></svg>"));
  unsetenv("NORMGRAD_CHART_JS");
  EXPECT_THAT(*read_whole(folder / "page.html"), HasSubstr("<div id=\"picture\"><svg><title>picture"));
  if (find_browser()) {
    const BrowserResult result = open_in_browser(folder / "page.html", "all");
    EXPECT_EQ(result.console, "");
    EXPECT_THAT(result.document, HasSubstr("There are no charts here"));
  }
}

TEST(PageTest, TablesAsMarkdownAndCsv) {
  const Table table{.header = {"norm", "verdict"}, .rows = {{.cells = {"a|b", "good, \"very\""}}}};
  EXPECT_EQ(to_markdown(table), "| norm | verdict |\n| --- | --- |\n| a\\|b | good, \"very\" |\n");
  EXPECT_EQ(to_csv(table), "norm,verdict\na|b,\"good, \"\"very\"\"\"\n");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace lab
