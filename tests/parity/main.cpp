// parity_test [--above] [FOLDER]: runs the normalization cases computed by PyTorch (tests/fixtures/parity/FORMAT.md),
// from the given folder, from NORMGRAD_PARITY_DIR, or from tests/fixtures/parity, parity_extra and parity_papers.
// Prints one line per failing case with its worst tensor, then "N passed, N failed". The exit code is 1 if a case
// failed or there was none. --above also lists the float32 tensors whose error exceeds PyTorch's own, in units of
// float32's epsilon.
//
// The cases of the source tree run twice. With set_norm_arithmetic(kFloat64), no float32 tensor may have a larger error
// than PyTorch's. In float32, it may have an error of as many units as docs/norms.md promises, if that is larger.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>
#include <nlohmann/json.hpp>

#include "tests/parity/layers.hpp"
#include "tests/support/norm_arithmetic.hpp"
#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/io/safetensors.hpp"

namespace normgrad::tests {

namespace {

// Relative error in the 2-norm, absolute if the truth is zero; infinite for another shape or nonfinite values.
double error_of(const Tensor& truth, const Tensor& result) {
  std::vector<double> expected = truth.dtype() == kInt64 ? std::vector<double>() : truth.to_vector<double>();
  if (truth.dtype() == kInt64) {
    const std::vector<std::int64_t> integers = truth.to_vector<std::int64_t>();
    expected.assign(integers.begin(), integers.end());
  }
  std::vector<double> actual(expected.size(), 0.0);  // an undefined gradient is zero
  if (result.defined()) {
    if (result.shape() != truth.shape() || (result.dtype() == kInt64) != (truth.dtype() == kInt64)) {
      return HUGE_VAL;
    }
    dispatch_all(result.dtype(), [&](auto zero) {
      const auto values = result.to_vector<decltype(zero)>();
      std::copy(values.begin(), values.end(), actual.begin());
    });
  }
  double difference = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  const double error = std::sqrt(size > 0.0 ? difference / size : difference);
  return std::isfinite(error) ? error : HUGE_VAL;
}

constexpr double kUnit = std::numeric_limits<float>::epsilon();

// How large an error may be: that of other implementations, PyTorch's own, or the promise of docs/norms.md.
enum class Bound { loose, own, promised };

// The number of float32 tensors compared, and the text about those above PyTorch's own error.
struct Above {
  int compared = 0;
  std::vector<std::string> lines;
};

class Case {
 public:
  Case(const std::filesystem::path& path, Bound bound, Above& above)
      : file_(load_safetensors(path)), path_(path), bound_(bound), above_(above) {
    for (const auto& [key, value] : file_.metadata) {
      static const std::set<std::string> known = {"layer", "args", "mode",        "steps",
                                                  "dtype", "kind", "torch_error", "made_with"};
      require<ValueError>(known.contains(key), "unknown metadata ", key);
    }
    const std::string dtype = file_.metadata.at("dtype");
    require<ValueError>(dtype == "F32" || dtype == "F64", "unknown dtype ", dtype);
    dtype_ = dtype == "F32" ? kFloat32 : kFloat64;
    if (file_.metadata.contains("torch_error")) {
      torch_error_ = nlohmann::json::parse(file_.metadata.at("torch_error")).get<std::map<std::string, double>>();
    }
  }

  /// Returns "" if the case passes, otherwise its worst error.
  std::string run() {
    const std::unique_ptr<Module> layer = make_layer(file_.metadata.at("layer"), file_.metadata.at("args"), dtype_);
    load_state(*layer);
    const std::string mode = file_.metadata.at("mode");
    require<ValueError>(mode == "train" || mode == "eval", "unknown mode ", mode);
    layer->train(mode == "train");
    const int steps = std::stoi(file_.metadata.at("steps"));
    require<ValueError>(steps >= 1, "no steps");
    for (int step = 0; step + 1 < steps; ++step) {
      (*layer)(take("input." + std::to_string(step)));
    }
    Tensor x = take("input." + std::to_string(steps - 1));
    x.requires_grad_();
    check_last_step(*layer, x);
    for (const auto& [name, tensor] : file_.tensors) {
      require<ValueError>(used_.contains(name), "unknown tensor ", name);
    }
    return worst_ratio_ > 1.0 ? worst_ : "";
  }

 private:
  bool has(const std::string& name) const { return file_.tensors.contains(name); }
  Tensor take(const std::string& name) {
    require<ValueError>(has(name), "missing tensor ", name);
    used_.insert(name);
    return file_.tensors.at(name);
  }

  void load_state(Module& layer) {
    StateDict state;
    for (const auto& [name, tensor] : file_.tensors) {
      if (name.starts_with("state.")) {
        state[name.substr(6)] = take(name);
      }
    }
    layer.load_state_dict(state);
  }

  void check_last_step(Module& layer, const Tensor& x) {
    Tensor gy = take("grad_output");
    const Tensor y = layer(x);
    compare("output", y);
    const NamedTensors parameters = layer.named_parameters();
    std::vector<Tensor> inputs = {x};
    std::vector<std::string> names = {"input"};
    for (const auto& [name, tensor] : parameters) {
      inputs.push_back(tensor);
      names.push_back(name);
    }
    const std::vector<Tensor> gradients = grad({y}, inputs, {gy}, {.retain_graph = true});
    compare("grad_input", gradients[0]);
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      compare("grad." + names[i], gradients[i]);
    }
    for (const auto& [name, tensor] : layer.named_buffers()) {
      compare("after." + name, tensor);
    }
    if (has("gg.u.input")) {
      check_second_order(y, inputs, names, gy);
    }
  }

  // With S = sum over the gradients of <gradient, u>: dS/d(input), dS/d(grad_output), dS/d(parameter).
  void check_second_order(const Tensor& y, std::vector<Tensor> inputs, std::vector<std::string> names, Tensor& gy) {
    gy.requires_grad_();
    const std::vector<Tensor> gradients = grad({y}, inputs, {gy}, {.create_graph = true});
    std::vector<Tensor> directions;
    for (const std::string& name : names) {
      directions.push_back(take("gg.u." + name));
    }
    inputs.push_back(gy);
    names.emplace_back("grad_output");
    const std::vector<Tensor> second = grad(gradients, inputs, directions, {.allow_unused = true});
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      compare("gg." + names[i], second[i]);
    }
  }

  void compare(const std::string& name, const Tensor& result) {
    const bool second_order = name.starts_with("gg.");
    double bound = second_order ? 1e-7 : 1e-9;
    const Tensor truth = take("expect." + name);
    const double error = error_of(truth, result);
    if (dtype_ == kFloat32) {
      const auto known = torch_error_.find(name);
      const double torch_error = known == torch_error_.end() ? 0.0 : known->second;
      const double own = known == torch_error_.end() ? 0.5 * kUnit : torch_error * (1.0 + 1e-9);
      const bool element = name == "output" || name == "grad_input";
      const double promised = std::max(own, (element ? 2.0 : 3.5) * kUnit);
      bound = bound_ == Bound::own ? own : bound_ == Bound::promised ? promised : std::max(2e-6, 2.0 * torch_error);
      above_.compared += known != torch_error_.end();
      if (known != torch_error_.end() && error > own) {
        above_.lines.push_back(detail::concat(path_.filename().string(), " ", name, " ", truth.shape(), ": ",
                                              error / kUnit, ", PyTorch's ", torch_error / kUnit));
      }
    }
    if (error / bound > worst_ratio_) {
      worst_ratio_ = error / bound;
      worst_ = detail::concat(name, " ", truth.shape(), ": relative error ", error, ", allowed ", bound);
    }
  }

  Safetensors file_;
  std::filesystem::path path_;
  Bound bound_;
  Above& above_;
  DType dtype_ = kFloat32;
  std::map<std::string, double> torch_error_;
  std::set<std::string> used_;
  double worst_ratio_ = 0.0;
  std::string worst_;
};

std::vector<std::filesystem::path> cases_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path cases = folder / "cases";
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::is_directory(cases) ? cases : folder)) {
    if (entry.path().extension() == ".safetensors") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string result_of(const std::filesystem::path& file, Bound bound, Above& above) {
  try {
    return Case(file, bound, above).run();
  } catch (const std::exception& error) {
    return error.what();
  }
}

// The same with set_norm_arithmetic(kFloat64).
std::string exact_result_of(const std::filesystem::path& file, Above& above) {
  const UsedNormArithmetic used(kFloat64);
  const std::string failure = result_of(file, Bound::own, above);
  return failure.empty() ? "" : "in float64: " + failure;
}

int run_all(const std::vector<std::filesystem::path>& folders, bool strict, bool list_above) {
  int passed = 0;
  int failed = 0;
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& folder : folders) {
    const std::vector<std::filesystem::path> cases = cases_in(folder);
    files.insert(files.end(), cases.begin(), cases.end());
  }
  Above above, exact_above;
  for (const std::filesystem::path& file : files) {
    std::string failure = result_of(file, strict ? Bound::promised : Bound::loose, above);
    if (strict && failure.empty()) {
      failure = exact_result_of(file, exact_above);
    }
    if (failure.empty()) {
      ++passed;
    } else {
      ++failed;
      std::cout << file.filename().string() << ": " << failure << "\n";
    }
  }
  if (list_above) {
    for (const std::string& line : above.lines) {
      std::cout << line << "\n";
    }
    std::cout << above.lines.size() << " of " << above.compared << " float32 tensors above PyTorch's own error\n";
    if (strict) {
      std::cout << exact_above.lines.size() << " of them with set_norm_arithmetic(kFloat64)\n";
    }
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace

}  // namespace normgrad::tests

int main(int argc, char** argv) {
  try {
    const char* folder = std::getenv("NORMGRAD_PARITY_DIR");
    const bool list_above = argc > 1 && std::string(argv[1]) == "--above";
    const int used = list_above ? 2 : 1;
    if (argc > used || folder != nullptr) {
      return normgrad::tests::run_all({argc > used ? argv[used] : folder}, false, list_above);
    }
    const std::filesystem::path fixtures = NORMGRAD_SOURCE_DIR "/tests/fixtures";
    return normgrad::tests::run_all({fixtures / "parity", fixtures / "parity_extra", fixtures / "parity_papers"}, true,
                                    list_above);
  } catch (const std::exception& error) {
    std::cerr << "parity_test: " << error.what() << "\n";
    return 2;
  }
}
