#include "normgrad/io/metrics_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>

#include "tests/support/files.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/temporary_folder.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/io/checkpoint.hpp"

namespace normgrad {
namespace {

using testing_support::error_of;
using testing_support::file_text;
using testing_support::write_text;

class MetricsFileTest : public testing::Test {
 protected:
  const testing_support::TemporaryFolder folder_;
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
  write_text(path_, "step,loss\n1,2\n3,");  // the last row is cut off
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
                "': expected at least 9 bytes, which it had, but got 8");
  EXPECT_THROW(cut.load_state_dict({{"bytes", zeros({})}}), ValueError);
}

TEST_F(MetricsFileTest, AKilledProgramLeavesWholeRows) {
  const pid_t child = fork();
  if (child == 0) {
    JsonLinesFile json(path_);
    for (int step = 0;; ++step) {
      json.write({{"step", step}, {"loss", 1.0 / (step + 1)}});
    }
  }
  for (int waited = 0; waited < 5000 && file_text(path_).size() < 2000; ++waited) {
    usleep(1000);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const std::string text = file_text(path_);
  ASSERT_GE(text.size(), 2000U);
  EXPECT_EQ(text.substr(text.size() - 2), "}\n");
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

}  // namespace
}  // namespace normgrad
