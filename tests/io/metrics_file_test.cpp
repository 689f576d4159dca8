#include "normgrad/io/metrics_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/checkpoint.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::file_text;
using tests::write_text;

class MetricsFileTest : public testing::Test {
 protected:
  const tests::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "metrics";
};

TEST_F(MetricsFileTest, WritesCsv) {
  CsvFile csv(path_);
  EXPECT_FALSE(std::filesystem::exists(path_)) << "nothing happens before the first row";
  csv.write({{"step", 1}, {"loss", 0.1}, {"a,\"b\"", -INFINITY}});
  EXPECT_EQ(file_text(path_), "step,loss,\"a,\"\"b\"\"\"\n1,0.1,-inf\n");
  csv.write({{"step", 2}, {"loss", 1e-30}, {"a,\"b\"", NAN}});
  EXPECT_EQ(file_text(path_), "step,loss,\"a,\"\"b\"\"\"\n1,0.1,-inf\n2,1e-30,nan\n");
  EXPECT_EQ(error_of<ValueError>([&] {
              csv.write({{"step", 3}});
            }),
            "CsvFile: '" + path_.string() + "': expected the columns step,loss,\"a,\"\"b\"\"\" but got step");
}

TEST_F(MetricsFileTest, WritesJsonLines) {
  JsonLinesFile json(path_);
  json.write({{"steps", 100000}, {"step", 1e15}, {"lo\"ss", 0.5}});
  json.write({{"accuracy", NAN}});
  json.write({});
  EXPECT_EQ(file_text(path_), "{\"steps\": 100000, \"step\": 1e+15, \"lo\\\"ss\": 0.5}\n{\"accuracy\": null}\n{}\n");
}

TEST_F(MetricsFileTest, ReplacesOrGoesOn) {
  write_text(path_, "step,loss\n1,2\n3,");  // the last row is truncated
  {
    CsvFile csv(path_, {.append = true});
    EXPECT_EQ(error_of<ValueError>([&] {
                csv.write({{"epoch", 1}});
              }),
              "CsvFile: '" + path_.string() + "': expected the columns step,loss but got epoch");
    csv.write({{"step", 3}, {"loss", 4}});
    EXPECT_EQ(file_text(path_), "step,loss\n1,2\n3,4\n");
  }
  CsvFile csv(path_);
  csv.write({{"epoch", 1}});
  EXPECT_EQ(file_text(path_), "epoch\n1\n");
  CsvFile fresh(folder_ / "fresh", {.append = true});
  fresh.write({{"epoch", 1}});
  EXPECT_EQ(file_text(folder_ / "fresh"), "epoch\n1\n");
}

TEST_F(MetricsFileTest, GoesOnWhereItsCheckpointWasWritten) {
  CsvFile csv(path_);
  save_checkpoint(folder_ / "none.ckpt", {{"metrics", csv}});
  csv.write({{"step", 1}});
  csv.write({{"step", 2}});
  save_checkpoint(folder_ / "run.ckpt", {{"metrics", csv}});
  csv.write({{"step", 3}});
  {
    CsvFile again(path_);
    load_checkpoint(folder_ / "run.ckpt", {{"metrics", again}});
    EXPECT_EQ(file_text(path_), "step\n1\n2\n");
    EXPECT_THROW(again.write({{"epoch", 1}}), ValueError);
    again.write({{"step", 3}});
    EXPECT_EQ(file_text(path_), "step\n1\n2\n3\n");
  }
  CsvFile anew(path_);
  load_checkpoint(folder_ / "none.ckpt", {{"metrics", anew}});
  anew.write({{"epoch", 1}});
  EXPECT_EQ(file_text(path_), "epoch\n1\n");
  CsvFile cut(path_);
  EXPECT_EQ(error_of<ValueError>([&] {
              load_checkpoint(folder_ / "run.ckpt", {{"metrics", cut}});
            }),
            "load_checkpoint: '" + (folder_ / "run.ckpt").string() + "': part 'metrics': CsvFile: '" + path_.string() +
                "': expected at least the 9 bytes that it had but got 8");
  EXPECT_THROW(cut.load_state_dict({{"bytes", zeros({})}}), ValueError);
}

TEST_F(MetricsFileTest, AKilledProgramLeavesWholeRowsAndPerhapsTheBeginningOfOne) {
  const pid_t child = fork();
  if (child == 0) {
    JsonLinesFile json(path_);
    for (int step = 0;; ++step) {
      json.write({{"step", step}, {"loss", 0.5}});
    }
  }
  while (file_text(path_).size() < 20'000 && waitpid(child, nullptr, WNOHANG) == 0) {
    usleep(1000);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const std::string text = file_text(path_);
  ASSERT_GE(text.size(), 20'000U) << "the child has ended by itself";
  std::string rows;
  for (int step = 0; rows.size() < text.size(); ++step) {
    rows += "{\"step\": " + std::to_string(step) + ", \"loss\": 0.5}\n";
  }
  EXPECT_EQ(text, rows.substr(0, text.size()));
  JsonLinesFile json(path_, {.append = true});
  json.write({{"step", -1}});
  EXPECT_EQ(file_text(path_), text.substr(0, text.rfind('\n') + 1) + "{\"step\": -1}\n");
}

// As a kill leaves them: truncated anywhere.
TEST_F(MetricsFileTest, HalfALastRowIsTakenOff) {
  const std::string whole = "step,loss\n1,0.5\n2,0.5\n";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    write_text(path_, whole.substr(0, cut));
    CsvFile csv(path_, {.append = true});
    csv.write({{"step", 9}, {"loss", 4}});
    const std::string kept = whole.substr(0, cut == 0 ? 0 : whole.rfind('\n', cut - 1) + 1);
    EXPECT_EQ(file_text(path_), (kept.empty() ? "step,loss\n" : kept) + "9,4\n") << cut;
  }
}

TEST_F(MetricsFileTest, PreparingChangesNothing) {
  CsvFile csv(path_);
  csv.write({{"step", 1}});
  const StateDict early = csv.state_dict();
  csv.write({{"step", 2}});
  const StateDict late = csv.state_dict();
  const std::string text = file_text(path_);
  CsvFile other(path_);
  for (CsvFile* file : {&csv, &other}) {
    const auto commit = file->prepare_state_dict(early);
    EXPECT_EQ(file_text(path_), text);
    EXPECT_THROW(file->prepare_state_dict({{"bytes", zeros({})}}), ValueError);
    EXPECT_THROW(file->prepare_state_dict({}), ValueError);
  }
  EXPECT_EQ(csv.state_dict().at("bytes").item(), late.at("bytes").item());
  csv.write({{"step", 3}});
  EXPECT_EQ(file_text(path_), text + "3\n") << "it goes on where it was";
  other.prepare_state_dict(early)();
  EXPECT_EQ(file_text(path_), "step\n1\n");
  write_text(path_, "");
  EXPECT_THROW(csv.prepare_state_dict(late), IoError);
}

TEST_F(MetricsFileTest, NamesThatAreNotUtf8AreRefused) {
  JsonLinesFile json(path_);
  json.write(
      {{"gr\xc3\xb6\xc3\x9f"
        "e",
        1}});
  const std::string text = file_text(path_);
  EXPECT_EQ(error_of<ValueError>([&] {
              json.write({{"a", 1}, {"\xff", 2}});
            }),
            "JsonLinesFile: '" + path_.string() + "': expected names in UTF-8 but got '\xff'");
  EXPECT_EQ(file_text(path_), text);
}

TEST_F(MetricsFileTest, AFullDiskLeavesWholeRows) {
  CsvFile csv(path_);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {.rlim_cur = 30, .rlim_max = before.rlim_max};
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  csv.write({{"step", 1}, {"loss", 0.125}});  // 18 bytes
  csv.write({{"step", 2}, {"loss", 0.125}});  // 26
  const auto full = error_of<IoError>([&] { csv.write({{"step", 3}, {"loss", 0.125}}); });
  const std::string then = file_text(path_);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(full, "CsvFile: '" + path_.string() + "': cannot be written: No space left on device");
  EXPECT_EQ(then, "step,loss\n1,0.125\n2,0.125\n");
  csv.write({{"step", 3}, {"loss", 0.25}});
  EXPECT_EQ(file_text(path_), then + "3,0.25\n");
}

TEST_F(MetricsFileTest, RefusesWhatCannotBeWritten) {
  EXPECT_EQ(error_of<IoError>([&] { CsvFile(folder_.path()); }),
            "CsvFile: '" + folder_.path().string() + "': expected the name of a file but it is a folder");
  EXPECT_EQ(error_of<IoError>([&] { JsonLinesFile(folder_ / "no" / "x"); }),
            "JsonLinesFile: '" + (folder_ / "no" / "x").string() + "': the folder does not exist");
  EXPECT_EQ(error_of<IoError>([&] {
              CsvFile("/proc/x").write({{"a", 1}});
            }),
            "CsvFile: '/proc/x': cannot be written: No such file or directory");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
