// compare_norms as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <nlohmann/json.hpp>

#include "tests/support/files.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using tests::file_text;
using tests::lines_of;
using tests::ProgramResult;
using tests::RunOptions;

constexpr const char* kHeader = "model,norm,seed,step,epoch,train_loss,test_loss,test_accuracy,seconds";

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) {
    cells.push_back(cell);
  }
  return cells;
}

/// results.csv without its last column.
std::vector<std::string> rows_without_seconds(const fs::path& folder) {
  std::vector<std::string> rows = lines_of(file_text(folder / "results.csv"));
  for (std::string& row : rows) {
    row.erase(row.rfind(','));
  }
  return rows;
}

class CompareNormsTest : public testing::Test {
 protected:
  ProgramResult run(std::vector<std::string> arguments, const RunOptions& options = {}) {
    arguments.insert(arguments.begin(), NORMGRAD_BINARY_DIR "/examples/compare_norms");
    return tests::run_program(arguments, options);
  }
  /// As run(), with `--out` set to the folder `name`.
  ProgramResult run_into(const std::string& name, std::vector<std::string> arguments, const RunOptions& options = {}) {
    arguments.insert(arguments.end(), {"--out", (folder_ / name).string()});
    return run(arguments, options);
  }
  /// Invalid input: exit code 2, nothing on standard output, and one line on standard error, which is returned.
  std::string refusal(const std::vector<std::string>& arguments) {
    const ProgramResult result = run_into("refused", arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines_of(result.err).size(), 1U) << result.err;
    EXPECT_THAT(result.err, testing::StartsWith("compare_norms: "));
    EXPECT_TRUE(!fs::exists(folder_ / "refused") || fs::is_empty(folder_ / "refused")) << result.err;
    return result.err;
  }
  nlohmann::json summary_in(const std::string& name) {
    return nlohmann::json::parse(file_text(folder_ / name / "summary.json"));
  }

  tests::TemporaryFolder folder_;
};

TEST_F(CompareNormsTest, WritesRowsSummaryFigureAndTable) {
  const ProgramResult result = run_into("a", {"--data", "digits", "--model", "mlp", "--norms", "none,batch,instance",
                                              "--steps", "20", "--eval-every", "10", "--seeds", "2"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<std::string> lines = lines_of(file_text(folder_ / "a/results.csv"));
  ASSERT_EQ(lines.size(), 1U + 2 * 2 * 2);
  EXPECT_EQ(lines[0], kHeader);
  EXPECT_THAT(lines[1], testing::StartsWith("mlp,none,1,10,0.1000,"));
  EXPECT_THAT(lines[4], testing::StartsWith("mlp,batch,1,20,0.2000,"));
  EXPECT_THAT(lines[8], testing::StartsWith("mlp,batch,2,20,0.2000,"));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = cells_of(lines[i]);
    ASSERT_EQ(cells.size(), 9U) << lines[i];
    EXPECT_GT(std::stod(cells[5]), 0.0);
    EXPECT_GT(std::stod(cells[6]), 0.0);
    EXPECT_GT(std::stod(cells[7]), 0.0);
    EXPECT_LE(std::stod(cells[7]), 1.0);
    EXPECT_GE(std::stod(cells[8]), 0.0);
  }

  const nlohmann::json summary = summary_in("a");
  EXPECT_EQ(summary.at("complete"), true);
  EXPECT_EQ(summary.at("settings").at("data"), "digits");
  EXPECT_EQ(summary.at("settings").at("models").at("mlp").at("steps"), 20);
  ASSERT_EQ(summary.at("results").size(), 3U);
  const nlohmann::json& batch = summary.at("results")[1];
  EXPECT_EQ(batch.at("norm"), "batch");
  EXPECT_NEAR(batch.at("final_accuracy").get<double>(),
              0.5 * (std::stod(cells_of(lines[4])[7]) + std::stod(cells_of(lines[8])[7])), 1e-9);
  EXPECT_GE(batch.at("best_accuracy"), batch.at("final_accuracy"));
  EXPECT_TRUE(batch.at("steps_to").contains("85"));
  EXPECT_GT(batch.at("mean_step_ms"), 0.0);
  EXPECT_GT(batch.at("peak_memory_bytes"), 4 * (784 * 100 + 2 * 100 * 100));
  EXPECT_EQ(batch.at("runs").size(), 2U);
  EXPECT_TRUE(summary.at("results")[2].contains("not_applicable"));

  EXPECT_THAT(result.out,
              AllOf(HasSubstr("mlp on digits: 20 steps of 60 images"), HasSubstr("instance      not applicable"),
                    HasSubstr("wrote results.csv, summary.json")));
  EXPECT_THAT(result.err, AllOf(HasSubstr("mlp none seed 1 (1/4): step 10/20"), Not(HasSubstr("\r"))));
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / "a")) {
    EXPECT_THAT(entry.path().string(), Not(HasSubstr(".partial")));
  }
}

TEST_F(CompareNormsTest, DrawsTheFigureWithGnuplot) {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "gnuplot is not installed";
  }
  const ProgramResult result = run_into("it's a", {"--data", "digits", "--model", "mlp", "--norms", "none,group:5",
                                                   "--steps", "4", "--eval-every", "2", "--seeds", "2"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(file_text(folder_ / "it's a/curves.png").substr(1, 3), "PNG");
  const std::string svg = file_text(folder_ / "it's a/curves.svg");
  EXPECT_THAT(svg, AllOf(HasSubstr("<svg"), HasSubstr("</svg>"), HasSubstr("group:5"), HasSubstr("test accuracy"),
                         HasSubstr("mlp on digits")));
  EXPECT_THAT(result.err, Not(HasSubstr("warn")));
}

TEST_F(CompareNormsTest, GoesOnWithoutGnuplot) {
  const ProgramResult result = run_into("a", {"--data", "digits", "--model", "mlp", "--norms", "none", "--steps", "2"},
                                        {.environment = {{"PATH", "/nowhere"}}});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("no figure: gnuplot cannot be run (No such file or directory)"));
  EXPECT_TRUE(fs::exists(folder_ / "a/summary.json"));
  EXPECT_FALSE(fs::exists(folder_ / "a/curves.png"));
}

TEST_F(CompareNormsTest, SameSeedSameRowsForAnyNumberOfThreads) {
  tests::write_mnist_folder(folder_ / "data", 300, 60);
  const auto rows = [&](const std::string& name, const std::string& threads) {
    const ProgramResult result = run_into(name, {"--data", (folder_ / "data").string(), "--model", "mlp,cnn", "--steps",
                                                 "6", "--eval-every", "3", "--threads", threads});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return rows_without_seconds(folder_ / name);
  };
  const std::vector<std::string> one = rows("one", "1");
  EXPECT_EQ(one.size(), 1U + 2 * (5 + 6));
  EXPECT_EQ(one, rows("again", "1"));
  EXPECT_EQ(one, rows("two", "2"));
}

TEST_F(CompareNormsTest, LearnsTheDigits) {
  ASSERT_EQ(
      run_into("mlp", {"--data", "digits", "--model", "mlp", "--norms", "none,batch", "--steps", "400"}).exit_code, 0);
  const nlohmann::json mlp = summary_in("mlp").at("results");
  EXPECT_LT(mlp[0].at("final_accuracy"), 0.5);
  EXPECT_GT(mlp[1].at("final_accuracy"), 0.85);
  ASSERT_EQ(run_into("cnn", {"--data", "digits", "--model", "cnn", "--norms", "batch", "--epochs", "2"}).exit_code, 0);
  EXPECT_GT(summary_in("cnn").at("results")[0].at("final_accuracy"), 0.95);
}

TEST_F(CompareNormsTest, OptimizersDiffer) {
  std::vector<std::vector<std::string>> all;
  for (const std::string optimizer : {"sgd", "adam", "adamw"}) {
    ASSERT_EQ(run_into(optimizer, {"--data", "digits", "--model", "mlp", "--norms", "batch", "--steps", "3",
                                   "--optimizer", optimizer, "--lr", "0.01"})
                  .exit_code,
              0);
    all.push_back(rows_without_seconds(folder_ / optimizer));
  }
  EXPECT_NE(all[0], all[1]);
  EXPECT_NE(all[1], all[2]);
}

TEST_F(CompareNormsTest, TellsDivergedRunsFromOthers) {
  const ProgramResult result = run_into("a", {"--data", "digits", "--model", "cnn", "--norms", "none", "--steps", "40",
                                              "--lr", "1e20", "--train-limit", "640"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("the loss or a weight is no longer finite at step"));
  EXPECT_THAT(result.out, HasSubstr("diverged with 1 of 1 seeds"));
  EXPECT_EQ(summary_in("a").at("results")[0].at("runs")[0].at("diverged"), true);
}

TEST_F(CompareNormsTest, RefusesWrongFlags) {
  EXPECT_THAT(refusal({"--color"}), HasSubstr("--color"));
  EXPECT_THAT(refusal({"--model", "transformer"}), HasSubstr("transformer"));
  EXPECT_THAT(refusal({"--norms", "none,batsch"}), HasSubstr("batsch"));
  EXPECT_THAT(refusal({"--norms", "group:7"}), HasSubstr("7"));
  EXPECT_THAT(refusal({"--norms", "group:x"}), HasSubstr("group:x"));
  EXPECT_THAT(refusal({"--norms", "batch:2"}), HasSubstr("batch:2"));
  EXPECT_THAT(refusal({"--models", "mlp,vit", "--norms", "frn"}),
              AllOf(HasSubstr("--norms: expected a norm that one of the models can have; mlp: frn needs positions"),
                    HasSubstr("; vit: frn needs positions")));
  EXPECT_THAT(refusal({"--steps", "0"}), HasSubstr("--steps: expected a whole number of at least 1 but got '0'"));
  EXPECT_THAT(refusal({"--steps", "1.5"}), HasSubstr("--steps: expected a whole number of at least 1 but got '1.5'"));
  EXPECT_THAT(refusal({"--steps", "010"}), HasSubstr("--steps: expected a whole number of at least 1 but got '010'"));
  EXPECT_THAT(refusal({"--warmup", "-3"}), HasSubstr("--warmup: expected a whole number of at least 0 but got '-3'"));
  for (const std::string many : {"10001", "99999999999999999999"}) {
    EXPECT_THAT(refusal({"--seeds", many}),
                HasSubstr("--seeds: expected a whole number from 1 to 10000 but got '" + many + "'"));
  }
  EXPECT_THAT(refusal({"--steps", "1000000000001"}),
              HasSubstr("--steps: expected a whole number from 1 to 1000000000000 but got '1000000000001'"));
  EXPECT_THAT(refusal({"--steps", "many"}), HasSubstr("--steps: expected a whole number of at least 1 but got 'many'"));
  EXPECT_THAT(refusal({"--momentum", "-0.5"}), HasSubstr("--momentum: expected a number of at least 0 but got '-0.5'"));
  EXPECT_THAT(refusal({"--epochs", "0"}), HasSubstr("--epochs: expected a number above 0 but got '0'"));
  EXPECT_THAT(refusal({"--steps", "3", "--epochs", "1"}), HasSubstr("--epochs"));
  EXPECT_THAT(refusal({"--lr", "-1"}), HasSubstr("--lr"));
  EXPECT_THAT(refusal({"--optimizer", "newton"}), HasSubstr("newton"));
  EXPECT_THAT(refusal({"--optimizer", "adam", "--momentum", "0.5"}), HasSubstr("--momentum"));
  EXPECT_THAT(refusal({"--model", "mlp", "--text", "book.txt"}), HasSubstr("--text: only gpt reads text, not mlp"));
  EXPECT_THAT(refusal({"--threads", "0"}), HasSubstr("--threads"));
  EXPECT_THAT(refusal({"--log-level", "loud"}), HasSubstr("loud"));
}

TEST_F(CompareNormsTest, RefusesBadData) {
  const fs::path data = folder_ / "data";
  EXPECT_THAT(refusal({"--data", data.string()}), HasSubstr("there is no folder '" + data.string() + "'"));
  tests::write_mnist_folder(data, 40, 20);
  const fs::path images = data / "train-images-idx3-ubyte";
  const fs::path labels = data / "train-labels-idx1-ubyte";
  const tests::Bytes good_images = tests::read_bytes(images);
  const tests::Bytes good_labels = tests::read_bytes(labels);

  fs::resize_file(images, good_images.size() - 1);
  EXPECT_THAT(refusal({"--data", data.string()}), AllOf(HasSubstr(images.string()), HasSubstr("holds only")));
  tests::Bytes bad = good_images;
  bad[2] = 0x0d;
  tests::write_file(images, bad);
  EXPECT_THAT(refusal({"--data", data.string()}), AllOf(HasSubstr(images.string()), HasSubstr("type 0x0d")));
  tests::write_file(images, good_images);
  bad = good_labels;
  bad[7] = 39;  // one label too few
  tests::write_file(labels, bad);
  EXPECT_THAT(refusal({"--data", data.string()}), AllOf(HasSubstr(labels.string()), HasSubstr("holds more")));
  bad = good_labels;
  bad[8] = 10;
  tests::write_file(labels, bad);
  EXPECT_THAT(refusal({"--data", data.string()}), AllOf(HasSubstr(labels.string()), HasSubstr("label 0 is 10")));
  tests::write_file(labels, good_labels);
  EXPECT_EQ(run_into("good", {"--data", data.string(), "--steps", "1"}).exit_code, 0);
}

TEST_F(CompareNormsTest, RefusesUnwritableFolder) {
  tests::write_file(folder_ / "file", {1});
  for (const fs::path& out : {folder_ / "file", folder_ / "file/below", fs::path("/proc/normgrad")}) {
    const ProgramResult result = run({"--data", "digits", "--out", out.string()});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(lines_of(result.err).size(), 1U) << result.err;
    EXPECT_THAT(result.err, HasSubstr(out.string()));
  }
}

TEST_F(CompareNormsTest, InterruptionKeepsWhatWasMeasured) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const ProgramResult result = run_into(
        "a",
        {"--data", "digits", "--model", "mlp", "--norms", "none,batch", "--steps", "100000000", "--eval-every", "5"},
        {.signal_when = [](const std::string& err) { return err.find("step 10/") != std::string::npos; },
         .signal = signal});
    EXPECT_EQ(result.exit_code, 128 + signal);
    EXPECT_THAT(result.out, HasSubstr("INTERRUPTED"));
    const std::vector<std::string> lines = lines_of(file_text(folder_ / "a/results.csv"));
    ASSERT_GE(lines.size(), 3U);
    EXPECT_EQ(lines[0], kHeader);
    EXPECT_EQ(cells_of(lines.back()).size(), 9U);
    EXPECT_EQ(summary_in("a").at("complete"), false);
    EXPECT_EQ(summary_in("a").at("results")[0].at("runs")[0].at("complete"), false);
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / "a")) {
      EXPECT_NE(entry.path().extension(), ".partial");
    }
  }
}

TEST_F(CompareNormsTest, InterruptionBeforeAnyMeasurementLeavesOlderResults) {
  fs::create_directories(folder_ / "a");
  tests::write_file(folder_ / "a/results.csv", {'o', 'l', 'd'});
  const ProgramResult result =
      run_into("a", {"--data", "digits", "--model", "mlp", "--steps", "100000000", "--eval-every", "100000000"},
               {.signal_when = [](const std::string& err) { return err.find("test images") != std::string::npos; },
                .signal = SIGINT});
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.err, HasSubstr("interrupted before anything was measured"));
  EXPECT_EQ(file_text(folder_ / "a/results.csv"), "old");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / "a")) {
    EXPECT_NE(entry.path().extension(), ".partial");
  }
}

TEST_F(CompareNormsTest, ShowsABarOnATerminal) {
  const ProgramResult result =
      run_into("a", {"--data", "digits", "--model", "mlp", "--norms", "batch", "--steps", "50", "--eval-every", "20"},
               {.terminal = true});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, AllOf(HasSubstr("\r\033[K0/1 runs [#"), HasSubstr("steps/s"),
                                HasSubstr(" left | mlp batch seed 1"), HasSubstr("after 50 steps")));
}

TEST_F(CompareNormsTest, QuietWhenToldSo) {
  const ProgramResult result =
      run_into("a", {"--data", "digits", "--model", "mlp", "--norms", "none", "--steps", "2", "--log-level", "warn"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
}

TEST_F(CompareNormsTest, HelpNamesEveryFlag) {
  const ProgramResult result = run({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  for (const std::string flag :
       {"--data",     "--model",     "--norms",     "--steps", "--epochs",      "--batch-size",  "--lr",
        "--momentum", "--optimizer", "--seeds",     "--seed",  "--eval-every",  "--train-limit", "--threads",
        "--out",      "--log-level", "--models",    "--lrs",   "--batch-sizes", "--optimizers",  "--activations",
        "--targets",  "--probes",    "--jobs",      "--fresh", "--placements",  "--warmup",      "--qk-norm",
        "--text",     "--schedule",  "--test-limit"}) {
    EXPECT_THAT(result.out, ContainsRegex(flag + "[ ,]"));
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
