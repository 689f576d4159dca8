// Every optimizer over 100 steps against results of PyTorch, or of the published algorithm where PyTorch 1.13 has none;
// see tests/fixtures/optim/generate.py.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/optim/optim_support.hpp"
#include "tests/support/source_tree.hpp"
#include "normgrad/normgrad.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using nlohmann::json;
using tests::tensor_of;

json golden() {
  std::ifstream file(tests::source_dir() / "tests/fixtures/optim/optimizers.json");
  return json::parse(file);
}

template <class O>
std::unique_ptr<Optimizer> make(const std::vector<Tensor>& params) {
  return std::make_unique<O>(params);
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const std::vector<Tensor>& params) {
  static const std::map<std::string, std::function<std::unique_ptr<Optimizer>(const std::vector<Tensor>&)>> kMakers = {
      {"SGD", make<SGD>},
      {"Adam", make<Adam>},
      {"AdamW", make<AdamW>},
      {"NAdam", make<NAdam>},
      {"RAdam", make<RAdam>},
      {"RMSprop", make<RMSprop>},
      {"Adagrad", make<Adagrad>},
      {"Adadelta", make<Adadelta>},
      {"Adamax", make<Adamax>},
      {"Lion", make<Lion>},
      {"Rprop", make<Rprop>},
      {"LAMB", make<LAMB>},
      {"LARS", make<LARS>},
      {"Adafactor", make<Adafactor>},
      {"Muon", [](const std::vector<Tensor>& all) { return make<Muon>({all[0]}); }},  // the matrix
  };
  return kMakers.at(name)(params);
}

void set_options(Optimizer& optimizer, const json& options) {
  static const std::map<std::string, std::array<const char*, 2>> kPairs = {
      {"betas", {"beta1", "beta2"}},
      {"etas", {"eta_minus", "eta_plus"}},
      {"step_sizes", {"step_size_min", "step_size_max"}},
      {"eps", {"eps1", "eps2"}}};
  for (const auto& [name, value] : options.items()) {
    if (value.is_array()) {
      optimizer.set_option(kPairs.at(name)[0], value[0], 0);
      optimizer.set_option(kPairs.at(name)[1], value[1], 0);
    } else {
      optimizer.set_option(name, value.is_boolean() ? (value ? 1.0 : 0.0) : value.get<double>(), 0);
    }
  }
}

std::vector<Tensor> split(const std::vector<double>& values, const json& shapes, DType dtype) {
  std::vector<Tensor> tensors;
  std::size_t at = 0;
  for (const json& sizes : shapes) {
    const Shape shape(sizes.get<std::vector<std::int64_t>>());
    const std::size_t n = static_cast<std::size_t>(shape.numel());
    tensors.push_back(tensor_of(std::vector(values.begin() + static_cast<std::ptrdiff_t>(at),
                                            values.begin() + static_cast<std::ptrdiff_t>(at + n)),
                                dtype)
                          .alias(shape));
    at += n;
  }
  return tensors;
}

// The parameters after the steps recorded in the file. After step `handover`, a new optimizer continues from the state
// of the first.
std::vector<std::vector<double>> trajectory(const json& file, const json& c, DType dtype, int handover) {
  std::vector<Tensor> params = split(file["start"], file["shapes"], dtype);
  for (Tensor& param : params) {
    param.requires_grad_();
  }
  const std::string name = c["optimizer"];
  std::unique_ptr<Optimizer> optimizer = make_optimizer(name, params);
  set_options(*optimizer, c["options"]);
  std::vector<std::vector<double>> kept;
  for (int t = 1; t <= 100; ++t) {
    const std::vector<Tensor> noise = split(file["noise"][static_cast<std::size_t>(t - 1)], file["shapes"], dtype);
    for (std::size_t i = 0; i < params.size(); ++i) {
      params[i].set_grad((params[i].detach() - 1.0) * 2.0 + noise[i]);
    }
    optimizer->step();
    if (t == handover) {
      std::unique_ptr<Optimizer> next = make_optimizer(name, params);
      next->load_state_dict(optimizer->state_dict());
      optimizer = std::move(next);
    }
    if (kept.size() < file["kept"].size() && t == file["kept"][kept.size()]) {
      std::vector<double>& row = kept.emplace_back();
      for (const Tensor& param : params) {
        const std::vector<double> values = param.to_vector<double>();
        row.insert(row.end(), values.begin(), values.end());
      }
    }
  }
  return kept;
}

// The largest error relative to the value itself, or to the largest value of the same step.
double largest_error(const std::vector<std::vector<double>>& steps, const json& expected, bool of_largest) {
  EXPECT_EQ(steps.size(), expected.size());
  double largest = 0.0;
  for (std::size_t t = 0; t < steps.size(); ++t) {
    double size = 0.0;
    for (const double value : expected[t].get<std::vector<double>>()) {
      size = std::max(size, std::fabs(value));
    }
    for (std::size_t i = 0; i < steps[t].size(); ++i) {
      const double value = expected[t][i];
      largest = std::max(largest, std::fabs(steps[t][i] - value) / (of_largest ? size : std::fabs(value)));
    }
  }
  return largest;
}

TEST(TorchTrajectoryTest, HundredSteps) {
  const json file = golden();
  EXPECT_EQ(file["cases"].size(), 53U);
  for (const json& c : file["cases"]) {
    const std::string text = c["optimizer"].dump() + c["options"].dump();
    // PyTorch stores NAdam's product of momenta in float32.
    const double bound = c["optimizer"] == "NAdam" ? 1e-6 : 1e-12;
    EXPECT_LT(largest_error(trajectory(file, c, kFloat64, 0), c["float64"], false), bound) << text;
    // Muon's iteration multiplies a relative error of a small singular value by up to 3.4445^5 = 485.
    const double float_bound = c["optimizer"] == "Muon" ? 485.0 * 0x1p-24 : 1e-6;
    EXPECT_LT(largest_error(trajectory(file, c, kFloat32, 0), c["float32"], true), float_bound) << text;
  }
}

TEST(TorchTrajectoryTest, ANewOptimizerGoesOnFromTheState) {
  const json file = golden();
  for (const json& c : file["cases"]) {
    for (const DType dtype : {kFloat64, kFloat32}) {
      EXPECT_EQ(trajectory(file, c, dtype, 37), trajectory(file, c, dtype, 0)) << c["optimizer"] << c["options"];
    }
  }
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
