// compare_norms as an instrument: sweeps that resume after a kill, arbitrary data, probes and the report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <sstream>
#include <nlohmann/json.hpp>

#include "lab/files.hpp"
#include "tests/support/browser.hpp"
#include "tests/support/files.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/run_program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

namespace fs = std::filesystem;
using lab::read_whole;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using tests::Bytes;
using tests::lines_of;
using tests::ProgramResult;

const std::string kProgram = NORMGRAD_BINARY_DIR "/examples/compare_norms";

/// results.csv without its last column, the seconds.
std::vector<std::string> rows_of(const fs::path& folder) {
  std::vector<std::string> rows = lines_of(read_whole(folder / "results.csv").value_or(""));
  for (std::string& row : rows) {
    row.erase(row.rfind(','));
  }
  return rows;
}

std::size_t stored_runs(const fs::path& folder) {
  std::size_t count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "runs")) {
    count += entry.path().extension() == ".json" ? 1 : 0;
  }
  return count;
}

/// Color images [N, channels, height, width] in the style of MNIST: image i of class i % classes has a bright column.
void write_images(const fs::path& folder, std::uint32_t channels, std::uint32_t height, std::uint32_t width,
                  std::uint32_t classes) {
  fs::create_directories(folder);
  for (const std::string part : {"train", "t10k"}) {
    const std::uint32_t count = 6 * classes;
    Bytes pixels(std::size_t{count} * channels * height * width, 20);
    Bytes labels(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      labels[i] = static_cast<std::uint8_t>(i % classes);
      for (std::uint32_t row = 0; row < channels * height; ++row) {
        pixels[(std::size_t{i} * channels * height + row) * width + i % classes % width] = 220;
      }
    }
    tests::write_file(folder / (part + "-images-idx4-ubyte"),
                      tests::idx_bytes(0x804, {count, channels, height, width}, pixels));
    tests::write_file(folder / (part + "-labels-idx1-ubyte"), tests::idx_bytes(0x801, {count}, labels));
  }
}

class SweepTest : public testing::Test {
 protected:
  SweepTest() { tests::write_mnist_folder(folder_ / "data", 200, 50); }

  std::vector<std::string> command(const std::string& out, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {kProgram, "--data", (folder_ / "data").string(), "--out", (folder_ / out).string()});
    return arguments;
  }
  ProgramResult run(const std::string& out, const std::vector<std::string>& arguments) {
    ProgramResult result = tests::run_program(command(out, arguments));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result;
  }

  tests::TemporaryFolder folder_;
};

TEST_F(SweepTest, MakesAllCombinationsWhateverTheJobs) {
  const std::vector<std::string> sweep = {"--models",      "mlp,deep-mlp:2",
                                          "--norms",       "none,batch:momentum=0.5,group:4",
                                          "--lrs",         "0.5,0.1",
                                          "--batch-sizes", "20,40",
                                          "--optimizers",  "sgd,adamw",
                                          "--activations", "tanh,relu",
                                          "--seeds",       "2",
                                          "--steps",       "4",
                                          "--eval-every",  "2",
                                          "--log-level",   "warn"};
  std::vector<std::string> one = sweep;
  one.insert(one.end(), {"--jobs", "1"});
  std::vector<std::string> three = sweep;
  three.insert(three.end(), {"--jobs", "3"});
  run("one", one);
  run("three", three);
  const std::vector<std::string> rows = rows_of(folder_ / "one");
  ASSERT_EQ(rows.size(), 1U + 2 * 3 * 2 * 2 * 2 * 2 * 2 * 2);
  EXPECT_EQ(rows[0],
            "model,norm,optimizer,activation,batch_size,lr,seed,step,epoch,train_loss,test_loss,test_accuracy");
  EXPECT_THAT(rows[1], StartsWith("mlp,none,sgd,tanh,20,0.1,1,2,0.2000,"));
  EXPECT_THAT(rows[3], StartsWith("mlp,batch:momentum=0.5,sgd,tanh,20,0.1,1,2,"));
  EXPECT_EQ(rows, rows_of(folder_ / "three"));
  EXPECT_THAT(*read_whole(folder_ / "one/report.html"), HasSubstr("Final accuracy against learning rate"));
  EXPECT_THAT(*read_whole(folder_ / "one/summary.md"),
              HasSubstr("| norm | model | optimizer | activation | batch_size | lr |"));
  EXPECT_EQ(lines_of(*read_whole(folder_ / "one/summary.csv")).size(), 1U + 2 * 3 * 2 * 2 * 2 * 2);
  const auto json = nlohmann::json::parse(*read_whole(folder_ / "one/summary.json"));
  EXPECT_EQ(json.at("highest_learning_rates").size(), 2U * 3 * 2 * 2 * 2);
  EXPECT_EQ(json.at("results")[1].at("against_none").at("seeds"), 2);
}

TEST_F(SweepTest, TellsHowSureADifferenceIs) {
  const ProgramResult result =
      run("a", {"--model", "mlp", "--norms", "none,batch", "--steps", "60", "--eval-every", "20", "--seeds", "3"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("batch is highest"), HasSubstr("points better than none (95 % interval"),
                                HasSubstr("3 seeds); so few seeds agree by chance one time in 4")));
}

TEST_F(SweepTest, TrainsATransformerWithoutNormsOnceForAllPlacements) {
  const std::vector<std::string> flags = {"--model",      "vit",           "--norms", "none,rms",
                                          "--placements", "pre,post,none", "--steps", "1"};
  run("a", flags);
  EXPECT_EQ(stored_runs(folder_ / "a"), 3U);
  const std::vector<std::string> rows = rows_of(folder_ / "a");
  ASSERT_EQ(rows.size(), 7U);
  const auto results = [&](std::size_t row) { return rows[row].substr(rows[row].find(",1,1,")); };
  for (const std::size_t same : {3, 5, 6}) {  // post-norm without a norm; no norms
    EXPECT_EQ(results(same), results(1)) << rows[same];
  }
  EXPECT_NE(results(2), results(1));
  EXPECT_THAT(run("a", flags).err, HasSubstr("3 of 3 runs were done before"));
}

TEST_F(SweepTest, RunsNothingTwice) {
  const std::vector<std::string> flags = {"--model", "mlp", "--norms", "none,batch", "--steps", "6"};
  run("a", flags);
  const std::string first = *read_whole(folder_ / "a/results.csv");
  const ProgramResult again = run("a", flags);
  EXPECT_THAT(again.err, HasSubstr("2 of 2 runs were done before"));
  EXPECT_EQ(*read_whole(folder_ / "a/results.csv"), first);  // including seconds

  std::vector<std::string> more = flags;
  more.insert(more.end(), {"--seeds", "2"});
  EXPECT_THAT(run("a", more).err, HasSubstr("2 of 4 runs were done before"));
  EXPECT_THAT(*read_whole(folder_ / "a/results.csv"), StartsWith(first));

  for (const std::vector<std::string>& change : {std::vector<std::string>{"--lr", "0.2"},
                                                 {"--steps", "7"},
                                                 {"--batch-size", "30"},
                                                 {"--train-limit", "100"},
                                                 {"--seed", "9"},
                                                 {"--activation", "tanh"},
                                                 {"--momentum", "0.5"},
                                                 {"--eval-every", "3"}}) {
    std::vector<std::string> other = flags;
    if (change[0] == "--steps") {
      other = {"--model", "mlp", "--norms", "none,batch"};
    }
    other.insert(other.end(), change.begin(), change.end());
    EXPECT_THAT(run("a", other).err, Not(HasSubstr("done before"))) << change[0];
  }
  std::vector<std::string> fresh = flags;
  fresh.emplace_back("--fresh");
  EXPECT_THAT(run("a", fresh).err, Not(HasSubstr("done before")));
  EXPECT_EQ(lines_of(*read_whole(folder_ / "a/results.csv")).size(), lines_of(first).size());
}

TEST_F(SweepTest, MakesADamagedRunAgain) {
  const std::vector<std::string> flags = {"--model", "mlp", "--norms", "none,batch", "--steps", "6"};
  run("a", flags);
  const std::vector<std::string> rows = rows_of(folder_ / "a");
  const auto damage = [&](const std::function<std::string(const std::string&)>& change) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / "a/runs")) {
      if (entry.path().extension() == ".json") {
        lab::write_whole(entry.path(), change(*read_whole(entry.path())));
      }
    }
    const ProgramResult result = run("a", flags);
    EXPECT_THAT(result.err, Not(HasSubstr("done before")));
    EXPECT_EQ(rows_of(folder_ / "a"), rows);
    return result.err;
  };
  EXPECT_THAT(damage([](const std::string& text) { return text.substr(0, text.size() / 2); }),
              HasSubstr("is damaged: it is not a run's JSON and is not used; the run is repeated"));
  EXPECT_THAT(damage([](const std::string&) { return "{\"key\": \"other\"}"; }),
              HasSubstr("is the file of another run and is not used"));
  EXPECT_THAT(damage([](std::string text) {  // another number, in an otherwise valid file
                char& digit = text[text.find("\"seconds\":") + 10];
                digit = digit == '1' ? '2' : '1';
                return text;
              }),
              HasSubstr("does not have the checksum that it states and is not used"));
  EXPECT_EQ(rows_of(folder_ / "a"), rows);
}

TEST_F(SweepTest, KilledAtAnyMomentItGoesOnToTheSameResults) {
  const std::vector<std::string> flags = {"--models", "mlp,cnn", "--norms", "none,batch",   "--seeds",
                                          "2",        "--steps", "30",      "--eval-every", "10"};
  run("whole", flags);
  const std::vector<std::string> expected = rows_of(folder_ / "whole");
  ASSERT_EQ(expected.size(), 1U + 2 * 2 * 2 * 3);
  std::size_t kept = 0;
  for (int round = 0; round < 3; ++round) {
    const std::string out = "killed" + std::to_string(round);
    for (std::size_t kill = 0; kill < 3; ++kill) {
      // Only the program itself is killed; its workers have to end by themselves. The first kill usually comes before
      // any run is stored, later ones after one run or more. If the kill comes too late, the program has finished.
      tests::run_program(command(out, flags), {.signal_when =
                                                   [&](const std::string& err) {
                                                     const auto lines = std::count(err.begin(), err.end(), '\n');
                                                     return kill == 0 ? lines > round
                                                                      : fs::exists(folder_ / out / "runs") &&
                                                                            stored_runs(folder_ / out) >= kill;
                                                   },
                                               .signal = SIGKILL});
      kept = std::max(kept, fs::exists(folder_ / out / "runs") ? stored_runs(folder_ / out) : 0);
    }
    const std::size_t before = stored_runs(folder_ / out);
    const ProgramResult result = run(out, flags);
    if (before > 0) {
      EXPECT_THAT(result.err, HasSubstr(std::to_string(before) + " of 8 runs were done before"));
    }
    EXPECT_EQ(rows_of(folder_ / out), expected);
    EXPECT_EQ(stored_runs(folder_ / out), 8U);
  }
  EXPECT_GT(kept, 0U) << "no kill came late enough to leave a run behind";
}

TEST_F(SweepTest, InterruptedItKeepsWhatItHas) {
  const std::vector<std::string> flags = {"--models", "mlp,cnn", "--norms", "none,batch", "--steps", "40"};
  run("whole", flags);
  const ProgramResult stopped = tests::run_program(
      command("stopped", flags),
      {.signal_when =
           [](const std::string& err) { return err.find("mlp batch seed 1 (2/4): step 40/40") != std::string::npos; },
       .signal = SIGINT});
  if (stopped.exit_code == 130) {  // otherwise it was done before the signal came
    EXPECT_THAT(stopped.out, HasSubstr("INTERRUPTED"));
  }
  EXPECT_THAT(run("stopped", flags).err, HasSubstr("runs were done before"));
  EXPECT_EQ(rows_of(folder_ / "stopped"), rows_of(folder_ / "whole"));
}

TEST_F(SweepTest, OneFolderOneProgram) {
  fs::create_directories(folder_ / "a/runs");
  const lab::FolderLock lock(folder_ / "a/runs");
  const ProgramResult result = tests::run_program(command("a", {"--steps", "1"}));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("another program writes to '"));
}

TEST_F(SweepTest, OtherImagesAndClasses) {
  struct Case {
    std::uint32_t channels, height, width, classes;
    const char* models;
  };
  for (const Case& c : {Case{3, 12, 17, 4, "mlp,cnn,lenet,deep-mlp:2,resnet"}, Case{2, 9, 7, 2, "mlp,cnn,resnet"},
                        Case{1, 16, 16, 26, "mlp,cnn"}}) {
    fs::remove_all(folder_ / "data");
    write_images(folder_ / "data", c.channels, c.height, c.width, c.classes);
    const ProgramResult result = run("a", {"--models", c.models, "--norms", "none,batch,group", "--steps", "80",
                                           "--eval-every", "20", "--batch-size", "8", "--lr", "0.02"});
    std::ostringstream size;
    size << "images of [" << c.channels << ", " << c.height << ", " << c.width << "]";
    EXPECT_THAT(result.err, HasSubstr(size.str()));
    const auto json = nlohmann::json::parse(*read_whole(folder_ / "a/summary.json"));
    EXPECT_EQ(json.at("settings").at("classes"), c.classes);
    for (const auto& cell : json.at("results")) {
      if (cell.at("model") == "cnn" && cell.at("norm") == "batch") {
        EXPECT_GE(cell.at("best_accuracy"), 2.0 / c.classes);
      }
    }
  }
}

TEST_F(SweepTest, RefusesClassesThatOnlyOnePartHas) {
  const fs::path labels = folder_ / "data/t10k-labels-idx1-ubyte";
  Bytes bytes = tests::read_bytes(labels);
  bytes[8 + 3] = 12;
  tests::write_file(labels, bytes);
  const ProgramResult result = tests::run_program(command("a", {"--steps", "1"}));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr(labels.string() + ": label 3 is 12, but the training labels end at 9"));
}

TEST_F(SweepTest, ProbesChangeNothingAndTellWhatANormDoes) {
  const std::vector<std::string> flags = {"--models",     "mlp,resnet", "--norms",      "none,batch,layer",
                                          "--steps",      "20",         "--eval-every", "10",
                                          "--batch-size", "20",         "--seeds",      "2"};
  run("plain", flags);
  std::vector<std::string> probed = flags;
  probed.emplace_back("--probes");
  run("probed", probed);
  EXPECT_EQ(rows_of(folder_ / "probed"), rows_of(folder_ / "plain"));
  EXPECT_FALSE(fs::exists(folder_ / "plain/probes.csv"));
  const std::string probes = *read_whole(folder_ / "probed/probes.csv");
  EXPECT_THAT(probes, StartsWith("model,norm,seed,step,layer,quantity,value\n"));
  for (const std::string row :
       {"mlp,none,1,10,act3,p15,-", "mlp,none,2,20,act1,p85,", "mlp,batch,1,10,fc1,gradient_norm,",
        "mlp,batch,1,10,norm3,mean_shift,", "mlp,batch,2,20,norm1,std_ratio,",
        "resnet,batch,1,10,block2.branch.norm3a,mean_shift", "resnet,layer,1,10,act4b,p50,",
        "mlp,layer,1,20,,train_mode_accuracy,", "mlp,layer,1,20,,eval_mode_accuracy,"}) {
    EXPECT_THAT(probes, HasSubstr("\n" + row)) << row;
  }
  EXPECT_THAT(probes, Not(HasSubstr("\nmlp,layer,1,10,norm1,mean_shift")));  // no running statistics
  // Layer norm is the same in both modes.
  std::map<std::string, std::string> accuracies;
  for (const std::string& line : lines_of(probes)) {
    if (line.starts_with("mlp,layer,1,20,,")) {
      accuracies[line.substr(16, 5)] = line.substr(line.rfind(','));
    }
  }
  EXPECT_EQ(accuracies.at("train"), accuracies.at("eval_"));
}

TEST_F(SweepTest, TheReportDrawsEverythingOffline) {
  ASSERT_TRUE(tests::find_browser()) << "chromium is not installed (scripts/setup.sh test)";
  run("a", {"--models", "mlp,cnn", "--norms", "none,batch", "--lrs", "0.01,0.1", "--steps", "6", "--eval-every", "2",
            "--seeds", "2", "--probes"});
  const tests::BrowserResult page = tests::open_in_browser(folder_ / "a/report.html", "all");
  EXPECT_EQ(page.console, "");
  // 2 models x (1 against the learning rate + 2 rates x (2 curves + 3 inputs + gradients of 4 layers + drift + gap)).
  const std::size_t charts = 2 + 4 * (2 + 3 + 4 + 1) + 2 * 3 + 2 * 2;
  EXPECT_THAT(page.document, HasSubstr("data-charts=\"" + std::to_string(charts) + "\""));
  EXPECT_THAT(page.document, HasSubstr("data-drawn=\"" + std::to_string(charts) + "\""));
  EXPECT_THAT(page.document, HasSubstr("Highest learning rate that trains"));
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
