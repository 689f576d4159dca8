// The gradient table is complete, and can fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <nlohmann/json.hpp>

#include "tests/gradcheck_report/rows.hpp"
#include "tests/support/source_tree.hpp"
#include "tests/support/toy_ops.hpp"
#include "tests/support/wrong_backwards.hpp"
#include "normgrad/layers/norm/registry.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;
using tests::all_cases;
using tests::check_cases;
using tests::GradientCase;
using tests::Row;

// The captures of `pattern` in the headers of a folder, outside namespaces called detail.
std::set<std::string> names_in_headers(const std::string& folder, const std::string& pattern) {
  std::set<std::string> names;
  const std::regex regex(pattern);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tests::source_dir().string() + folder)) {
    if (entry.path().extension() != ".hpp") {
      continue;
    }
    std::ifstream file(entry.path());
    bool is_internal = false;
    for (std::string line; std::getline(file, line);) {
      const bool is_detail = line.find("detail") != std::string::npos;
      if (is_detail && line.starts_with("namespace")) {
        is_internal = true;
      } else if (is_detail && line.starts_with("}")) {
        is_internal = false;
      }
      std::smatch match;
      if (!is_internal && std::regex_search(line, match, regex)) {
        names.insert(match[1]);
      }
    }
  }
  return names;
}

// The first words of the case names.
std::set<std::string> names_of_cases() {
  std::set<std::string> names;
  for (const GradientCase& c : all_cases()) {
    std::string name = c.name.substr(0, c.name.find_first_of(" ,"));
    names.insert(name);
    for (std::size_t at = c.name.find(':'); at != std::string::npos && at < c.name.size(); ++at) {
      at = c.name.find_first_not_of(" ,", at + 1);  // "Sequential: Linear, Tanh"
      if (at == std::string::npos) {
        break;
      }
      const std::size_t end = std::min(c.name.find_first_of(" ,", at), c.name.size());
      names.insert(c.name.substr(at, end - at));
      at = end;
    }
  }
  names.insert("Sequential");
  return names;
}

TEST(GradientCasesTest, CoverEveryOperation) {
  std::set<std::string> operations =
      names_in_headers("/core/ops", R"(^(?:Tensor|NormResult|std::vector<Tensor>|TensorList) ([a-z]\w*)\()");
  ASSERT_GT(operations.size(), 80U);
  // No gradient: new tensors, comparisons, logic, indices, statistics alone.
  for (const char* name : {"zeros",       "ones",       "full",        "zeros_like",
                           "ones_like",   "full_like",  "arange",      "linspace",
                           "eye",         "rand",       "randn",       "randint",
                           "randperm",    "tensor",     "from_vector", "eq",
                           "ne",          "lt",         "le",          "gt",
                           "ge",          "argmax",     "argmin",      "batch_statistics",
                           "logical_and", "logical_or", "logical_xor", "logical_not",
                           "isnan",       "isinf",      "isfinite",    "all",
                           "any",         "nonzero",    "argsort",     "searchsorted",
                           "bucketize",   "bernoulli",  "multinomial", "normal",
                           "one_hot",     "rand_like",  "randn_like",  "sinusoidal_positions"}) {
    operations.erase(name);
  }
  // instance_norm_training is instance_norm with batch statistics.
  operations.erase("instance_norm_training");
  // These take a function: FunctionalTest.ResultsAreDifferentiableByRequest checks their gradients.
  operations.erase("jacobian");
  operations.erase("hessian");
  const std::set<std::string> covered = names_of_cases();
  for (const std::string& name : operations) {
    EXPECT_TRUE(covered.contains(name)) << name << " has no case in tests/gradcheck_report";
  }
}

TEST(GradientCasesTest, CoverEveryLayer) {
  std::set<std::string> layers = names_in_headers("/layers", R"(NORMGRAD_(?:DECLARE_)?MEMBERS\(([A-Z]\w*))");
  // Class templates over the number of axes have names such as Conv2d = Conv<2>.
  for (const std::string& name : names_in_headers("/layers", R"(^using [A-Z]\w* = ([A-Z]\w*)<\d>;)")) {
    layers.erase(name);
  }
  layers.merge(names_in_headers("/layers", R"(^using ([A-Z]\w*) = [A-Z]\w*<\d>;)"));
  ASSERT_TRUE(layers.contains("Conv3d"));
  ASSERT_GT(layers.size(), 20U);
  std::set<std::string> covered = names_of_cases();
  // The norms of the registry have rows under their names there.
  for (const std::string& name : norm_names()) {
    for (const std::int64_t spatial : {0, 1, 2, 3}) {
      const NormContext context{.num_features = 40, .spatial_dims = spatial};  // 8 and 10 groups divide 40
      if (covered.contains("registry:") && is_norm_applicable(name, context)) {
        covered.insert(make_norm(name, context)->type_name());
      }
    }
  }
  std::ostringstream loss_test;
  loss_test << std::ifstream(tests::source_dir() / "tests/layers/loss_test.cpp").rdbuf();
  const std::string of_losses = loss_test.str();
  for (const std::string& name : layers) {
    if (name != "Net" && name != "Identity" && name != "Type" && name != "Class" && name != "RecurrentCell" &&
        name != "Symmetric") {
      // The losses are their functions, which have cases: loss_test.cpp compares values and gradients.
      const bool is_function = name.ends_with("Loss") && of_losses.find("<" + name + ">") != std::string::npos;
      EXPECT_TRUE(is_function || covered.contains(name)) << name << " has no case in tests/gradcheck_report";
    }
  }
}

// The rows are computed on several threads, and finite differences change the elements of an input for a moment.
TEST(GradientCasesTest, ShareNoInput) {
  std::set<const double*> seen;
  for (const GradientCase& c : all_cases()) {
    for (const Tensor& input : c.inputs) {
      if (input.dtype() == kFloat64 && input.numel() > 0) {
        EXPECT_TRUE(seen.insert(input.data<double>()).second) << c.name << " shares an input of " << input.shape();
      }
    }
  }
}

TEST(GradientCasesTest, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const GradientCase& c : all_cases()) {
    const std::string name = c.name + " " + c.shapes();
    EXPECT_TRUE(names.insert(name).second) << name << " is there twice";
  }
}

GradientCase norm_case(tests::NormFault fault) {
  Tensor x = tests::values({0.3, -1.2, 2.0, 0.7, 1.1, -0.4, 0.9, 0.1}, {2, 4}).requires_grad_();
  GradientCase c;
  c.family = "norm";
  c.name = tests::fault_name(fault);
  c.function = [fault](const std::vector<Tensor>& in) { return tests::faulty_norm(in[0], fault); };
  c.inputs = {x};
  c.max_order = 1;
  return c;
}

TEST(GradientRowsTest, WrongBackwardsFail) {
  std::vector<GradientCase> cases = {norm_case(tests::NormFault::none)};
  for (const tests::NormFault fault : tests::kNormFaults) {
    cases.push_back(norm_case(fault));
  }
  const std::vector<Row> rows = check_cases(cases, 2);
  ASSERT_EQ(rows.size(), cases.size());
  EXPECT_TRUE(rows[0].passed) << rows[0].problem;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    EXPECT_FALSE(rows[i].passed) << rows[i].name;
    EXPECT_THAT(rows[i].problem, HasSubstr("analytic"));
    EXPECT_GT(rows[i].max_rel_error, 1e-3) << rows[i].name;
  }
}

TEST(GradientRowsTest, ABackwardThatReplacesAFilledGradientFails) {
  GradientCase c = norm_case(tests::NormFault::none);
  c.into_filled_gradient = true;
  EXPECT_TRUE(check_cases({c}, 1)[0].passed);
  const Tensor x = c.inputs[0];
  // Its gradient is correct, but the previous gradient of the leaf is lost.
  c.function = [x, f = c.function](const std::vector<Tensor>& in) {
    Tensor y = f(in);
    return y.requires_grad() ? apply_function(
                                   "replaces", {y}, [](auto& v) { return v[0]; },
                                   [x](auto&, auto&, auto& gy) {
                                     if (x.grad().defined()) {
                                       Tensor(x).set_grad({});
                                     }
                                     return std::vector{gy};
                                   })
                             : y;
  };
  const std::vector<Row> rows = check_cases({c}, 1);
  EXPECT_FALSE(rows[0].passed);
  EXPECT_THAT(rows[0].problem, HasSubstr("a filled gradient is off by"));
}

TEST(GradientRowsTest, ErrorsBecomeFailedRows) {
  GradientCase c = norm_case(tests::NormFault::none);
  c.function = [](const std::vector<Tensor>&) -> Tensor { throw std::runtime_error("broken"); };
  const std::vector<Row> rows = check_cases({c}, 1);
  EXPECT_FALSE(rows[0].passed);
  EXPECT_THAT(rows[0].problem, HasSubstr("broken"));
}

TEST(GradientRowsTest, AreWritten) {
  std::vector<Row> rows = {{"norms", "f", "[2, 3]", 1, 1.5e-10, 3e-10, true, ""},
                           {"norms", "f", "[2, 3]", 2, 2.5e-3, 1e-3, false, "worst"}};
  EXPECT_THAT(tests::to_markdown(rows), HasSubstr("1 of 2 rows passed"));
  EXPECT_THAT(tests::to_markdown(rows),
              HasSubstr("## norms\n\n| function | shapes | order 1 | order 2 | orders 3, 4 |\n|---|---|---|---|---|\n"
                        "| f | [2, 3] | 1.5e-10 | 2.5e-03 **FAILED** |  |\n"));
  const auto json = nlohmann::json::parse(tests::to_json(rows));
  EXPECT_EQ(json["passed"], 1);
  EXPECT_EQ(json["failed"], 1);
  ASSERT_EQ(json["rows"].size(), 2U);
  EXPECT_EQ(json["rows"][1]["name"], "f");
  EXPECT_EQ(json["rows"][1]["shape"], "[2, 3]");
  EXPECT_EQ(json["rows"][1]["dtype"], "float64");
  EXPECT_EQ(json["rows"][1]["order"], 2);
  EXPECT_EQ(json["rows"][1]["max_rel_error"], 2.5e-3);
  EXPECT_EQ(json["rows"][1]["max_abs_error"], 1e-3);
  EXPECT_EQ(json["rows"][1]["passed"], false);
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
