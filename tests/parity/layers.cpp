#include "tests/parity/layers.hpp"

#include <set>
#include <vector>
#include <nlohmann/json.hpp>

#include "normgrad/layers/norm/batch_norm.hpp"
#include "normgrad/layers/norm/divisive_norm.hpp"
#include "normgrad/layers/norm/dynamic_tanh.hpp"
#include "normgrad/layers/norm/evo_norm_b0.hpp"
#include "normgrad/layers/norm/evo_norm_s0.hpp"
#include "normgrad/layers/norm/filter_response_norm.hpp"
#include "normgrad/layers/norm/global_response_norm.hpp"
#include "normgrad/layers/norm/group_norm.hpp"
#include "normgrad/layers/norm/instance_norm.hpp"
#include "normgrad/layers/norm/l2_norm.hpp"
#include "normgrad/layers/norm/layer_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/partial_rms_norm.hpp"
#include "normgrad/layers/norm/pixel_norm.hpp"
#include "normgrad/layers/norm/positional_norm.hpp"
#include "normgrad/layers/norm/rms_norm.hpp"
#include "normgrad/layers/norm/scale_norm.hpp"

namespace normgrad::tests {

namespace {

// Provides arguments by name and tracks which were never used.
class Arguments {
 public:
  explicit Arguments(const std::string& json) : values_(nlohmann::json::parse(json)) {}

  template <class T>
  T get(const std::string& name, T missing) {
    asked_.insert(name);
    return values_.contains(name) ? values_.at(name).get<T>() : missing;
  }
  template <class T>
  T get(const std::string& name) {
    require<ValueError>(values_.contains(name), "missing argument ", name);
    return get(name, T());
  }
  Momentum momentum() {
    asked_.insert("momentum");
    if (!values_.contains("momentum")) {
      return 0.1;
    }
    const auto& value = values_.at("momentum");
    return value.is_null() ? Momentum(std::nullopt) : Momentum(value.get<double>());
  }
  std::optional<double> optional_eps() {
    asked_.insert("eps");
    if (!values_.contains("eps") || values_.at("eps").is_null()) {
      return std::nullopt;
    }
    return values_.at("eps").get<double>();
  }
  Affine affine(const std::string& name, bool missing) {
    asked_.insert(name);
    if (!values_.contains(name) || values_.at(name).is_boolean()) {
      return get(name, missing);
    }
    const auto kind = get<std::string>(name);
    require<ValueError>(kind == "scale_only" || kind == "bias_only", "unknown ", name, " ", kind);
    return kind == "scale_only" ? Affine::scale_only : Affine::bias_only;
  }
  Variance variance() {
    const std::string estimate = get<std::string>("variance", "unbiased");
    require<ValueError>(estimate == "unbiased" || estimate == "biased", "unknown variance ", estimate);
    return estimate == "biased" ? Variance::biased : Variance::unbiased;
  }
  Shape normalized_shape() { return {get<std::vector<std::int64_t>>("normalized_shape")}; }
  void finish() const {
    for (const auto& [name, value] : values_.items()) {
      require<ValueError>(asked_.contains(name), "unknown argument ", name);
    }
  }

 private:
  nlohmann::json values_;
  std::set<std::string> asked_;
};

template <class Layer, class Options>
std::unique_ptr<Module> running_norm(Arguments& args, Options options, DType dtype) {
  options.eps = args.get("eps", options.eps);
  options.momentum = args.momentum();
  options.affine = args.affine("affine", options.affine.scale());
  options.variance = args.variance();
  options.track_running_stats = args.get("track_running_stats", options.track_running_stats);
  options.dtype = dtype;
  return std::make_unique<Layer>(args.get<std::int64_t>("num_features"), options);
}

std::unique_ptr<Module> layer_norm_layer(Arguments& args, DType dtype) {
  LayerNormOptions options;
  options.eps = args.get("eps", options.eps);
  options.elementwise_affine = args.affine("elementwise_affine", true);
  options.bias = args.get("bias", true);
  options.axes = args.get("axes", options.axes);
  options.dtype = dtype;
  return std::make_unique<LayerNorm>(args.normalized_shape(), options);
}

std::unique_ptr<Module> rms_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<RMSNorm>(
      args.normalized_shape(),
      RMSNormOptions{
          .eps = args.optional_eps(), .elementwise_affine = args.get("elementwise_affine", true), .dtype = dtype});
}

std::unique_ptr<Module> group_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<GroupNorm>(args.get<std::int64_t>("num_groups"), args.get<std::int64_t>("num_channels"),
                                     GroupNormOptions{.eps = args.get("eps", 1e-5),
                                                      .affine = args.affine("affine", true),
                                                      .center = args.get("center", true),
                                                      .dtype = dtype});
}

std::unique_ptr<Module> local_response_norm_layer(Arguments& args) {
  return std::make_unique<LocalResponseNorm>(
      args.get<std::int64_t>("size"),
      LocalResponseNormOptions{
          .alpha = args.get("alpha", 1e-4), .beta = args.get("beta", 0.75), .k = args.get("k", 1.0)});
}

std::unique_ptr<Module> dynamic_tanh_layer(Arguments& args, DType dtype) {
  return std::make_unique<DynamicTanh>(
      args.get<std::int64_t>("num_features"),
      DynamicTanhOptions{
          .alpha_init_value = args.get("alpha_init_value", 0.5), .axis = args.get("axis", -1), .dtype = dtype});
}

std::unique_ptr<Module> scale_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<ScaleNorm>(
      args.get<double>("scale"),
      ScaleNormOptions{.eps = args.get("eps", 1e-5), .axis = args.get("axis", -1), .dtype = dtype});
}

std::unique_ptr<Module> l2_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<L2Norm>(
      args.get<std::int64_t>("num_features"),
      L2NormOptions{.eps = args.get("eps", 1e-10), .axis = args.get("axis", 1), .dtype = dtype});
}

std::unique_ptr<Module> partial_rms_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<PartialRMSNorm>(args.get<std::int64_t>("num_features"),
                                          PartialRMSNormOptions{.partial = args.get("partial", 0.0625),
                                                                .eps = args.get("eps", 1e-8),
                                                                .bias = args.get("bias", false),
                                                                .axis = args.get("axis", -1),
                                                                .dtype = dtype});
}

std::unique_ptr<Module> filter_response_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<FilterResponseNorm>(args.get<std::int64_t>("num_features"),
                                              FilterResponseNormOptions{.eps = args.get("eps", 1e-6),
                                                                        .tlu = args.get("tlu", true),
                                                                        .learn_eps = args.get("learn_eps", false),
                                                                        .dtype = dtype});
}

std::unique_ptr<Module> evo_norm_b0_layer(Arguments& args, DType dtype) {
  EvoNormB0Options options;
  options.eps = args.get("eps", options.eps);
  options.momentum = args.momentum();
  options.variance = args.get<std::string>("variance", "biased") == "biased" ? Variance::biased : Variance::unbiased;
  options.dtype = dtype;
  return std::make_unique<EvoNormB0>(args.get<std::int64_t>("num_features"), options);
}

std::unique_ptr<Module> evo_norm_s0_layer(Arguments& args, DType dtype) {
  EvoNormS0Options options;
  if (const auto groups = args.get<std::int64_t>("num_groups", 0); groups > 0) {
    options.num_groups = groups;
  }
  options.eps = args.get("eps", options.eps);
  options.dtype = dtype;
  return std::make_unique<EvoNormS0>(args.get<std::int64_t>("num_features"), options);
}

std::unique_ptr<Module> divisive_norm_layer(Arguments& args, DType dtype) {
  return std::make_unique<DivisiveNorm>(args.get<std::int64_t>("num_features"),
                                        DivisiveNormOptions{.sum_window = args.get("sum_window", 3),
                                                            .sup_window = args.get("sup_window", 3),
                                                            .eps = args.get("eps", 1.0),
                                                            .learn_sigma = args.get("learn_sigma", false),
                                                            .affine = args.affine("affine", false),
                                                            .dtype = dtype});
}

/// The norms of tests/fixtures/parity_papers; null for another name.
std::unique_ptr<Module> make_of_papers(const std::string& name, Arguments& args, DType dtype) {
  if (name == "DynamicTanh") {
    return dynamic_tanh_layer(args, dtype);
  }
  if (name == "ScaleNorm") {
    return scale_norm_layer(args, dtype);
  }
  if (name == "L2Norm") {
    return l2_norm_layer(args, dtype);
  }
  if (name == "PartialRMSNorm") {
    return partial_rms_norm_layer(args, dtype);
  }
  if (name == "GlobalResponseNorm") {
    return std::make_unique<GlobalResponseNorm>(
        args.get<std::int64_t>("num_features"),
        GlobalResponseNormOptions{.eps = args.get("eps", 1e-6), .dtype = dtype});
  }
  if (name == "FilterResponseNorm") {
    return filter_response_norm_layer(args, dtype);
  }
  if (name == "EvoNormB0") {
    return evo_norm_b0_layer(args, dtype);
  }
  if (name == "EvoNormS0") {
    return evo_norm_s0_layer(args, dtype);
  }
  if (name == "PositionalNorm") {
    return std::make_unique<PositionalNorm>(
        args.get<std::int64_t>("num_features"),
        PositionalNormOptions{.eps = args.get("eps", 1e-5), .affine = args.affine("affine", false), .dtype = dtype});
  }
  if (name == "PixelNorm") {
    return std::make_unique<PixelNorm>(PixelNormOptions{.eps = args.get("eps", 1e-8), .axis = args.get("axis", 1)});
  }
  return name == "DivisiveNorm" ? divisive_norm_layer(args, dtype) : nullptr;
}

std::unique_ptr<Module> make(const std::string& name, Arguments& args, DType dtype) {
  if (name == "BatchNorm1d") {
    return running_norm<BatchNorm1d>(args, BatchNormOptions(), dtype);
  }
  if (name == "BatchNorm2d") {
    return running_norm<BatchNorm2d>(args, BatchNormOptions(), dtype);
  }
  if (name == "BatchNorm3d") {
    return running_norm<BatchNorm3d>(args, BatchNormOptions(), dtype);
  }
  if (name == "InstanceNorm1d") {
    return running_norm<InstanceNorm1d>(args, InstanceNormOptions(), dtype);
  }
  if (name == "InstanceNorm2d") {
    return running_norm<InstanceNorm2d>(args, InstanceNormOptions(), dtype);
  }
  if (name == "InstanceNorm3d") {
    return running_norm<InstanceNorm3d>(args, InstanceNormOptions(), dtype);
  }
  if (name == "LayerNorm") {
    return layer_norm_layer(args, dtype);
  }
  if (name == "RMSNorm") {
    return rms_norm_layer(args, dtype);
  }
  if (name == "GroupNorm") {
    return group_norm_layer(args, dtype);
  }
  if (name == "LocalResponseNorm") {
    return local_response_norm_layer(args);
  }
  if (std::unique_ptr<Module> layer = make_of_papers(name, args, dtype)) {
    return layer;
  }
  fail<ValueError>("unknown layer ", name);
}

}  // namespace

std::unique_ptr<Module> make_layer(const std::string& name, const std::string& json_args, DType dtype) {
  Arguments args(json_args);
  std::unique_ptr<Module> layer = make(name, args, dtype);
  args.finish();
  return layer;
}

}  // namespace normgrad::tests
