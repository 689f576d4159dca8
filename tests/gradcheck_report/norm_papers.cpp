// The norms that PyTorch does not have. Orders 3 and 4 where the norm is smooth; the TLU and the maximum of EvoNorm-B0
// have kinks.
#include <memory>

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/layers/norm/divisive_norm.hpp"
#include "normgrad/layers/norm/dynamic_tanh.hpp"
#include "normgrad/layers/norm/evo_norm_b0.hpp"
#include "normgrad/layers/norm/evo_norm_s0.hpp"
#include "normgrad/layers/norm/filter_response_norm.hpp"
#include "normgrad/layers/norm/global_response_norm.hpp"
#include "normgrad/layers/norm/l2_norm.hpp"
#include "normgrad/layers/norm/local_response_norm.hpp"
#include "normgrad/layers/norm/partial_rms_norm.hpp"
#include "normgrad/layers/norm/pixel_norm.hpp"
#include "normgrad/layers/norm/positional_norm.hpp"
#include "normgrad/layers/norm/scale_norm.hpp"

namespace normgrad::tests {

namespace {

constexpr int kSmoothOrder = 4;
constexpr int kKinkedOrder = 2;

template <class Layer, class... Arguments>
void add_paper_norm(CaseList& list, const std::string& name, const Shape& x, int max_order,
                    const Arguments&... arguments) {
  add_layer(list, name, std::make_shared<Layer>(arguments...), list.normal(x));
  list.cases.back().max_order = max_order;
}

void add_vector_norms(CaseList& list) {
  for (const std::int64_t axis : {-1, 1}) {
    const Shape x = axis == 1 ? Shape{1, 4, 2} : Shape{2, 4};
    const std::string where = axis == 1 ? " axis=1" : "";
    add_paper_norm<DynamicTanh>(list, "DynamicTanh" + where, x, kSmoothOrder, 4,
                                DynamicTanhOptions{.axis = axis, .dtype = kFloat64});
    add_paper_norm<ScaleNorm>(list, "ScaleNorm" + where, x, kSmoothOrder, 2.0,
                              ScaleNormOptions{.axis = axis, .dtype = kFloat64});
    add_paper_norm<L2Norm>(list, "L2Norm" + where, x, kSmoothOrder, 4, L2NormOptions{.axis = axis, .dtype = kFloat64});
    add_paper_norm<PixelNorm>(list, "PixelNorm" + where, x, kSmoothOrder, PixelNormOptions{.axis = axis});
    for (const bool bias : {true, false}) {
      const PartialRMSNormOptions options = {.partial = 0.5, .bias = bias, .axis = axis, .dtype = kFloat64};
      add_paper_norm<PartialRMSNorm>(list, "PartialRMSNorm" + where + (bias ? " with bias" : ""), x, kSmoothOrder, 4,
                                     options);
    }
  }
  // Vectors shorter than eps: a constant divisor.
  add_paper_norm<ScaleNorm>(list, "ScaleNorm eps=20", {2, 4}, kSmoothOrder, 2.0,
                            ScaleNormOptions{.eps = 20.0, .dtype = kFloat64});
}

void add_image_norms(CaseList& list) {
  const FilterResponseNormOptions plain = {.tlu = false, .dtype = kFloat64};
  for (const Shape& x : {Shape{2, 2, 3}, Shape{1, 2, 2, 2}, Shape{1, 2, 1, 2, 2}}) {
    const auto norm = [&]<class Layer>(const std::string& name, int max_order, const auto& options) {
      add_paper_norm<Layer>(list, name, x, max_order, 2, options);
    };
    norm.operator()<GlobalResponseNorm>("GlobalResponseNorm", kSmoothOrder,
                                        GlobalResponseNormOptions{.dtype = kFloat64});
    norm.operator()<FilterResponseNorm>("FilterResponseNorm", kKinkedOrder,
                                        FilterResponseNormOptions{.dtype = kFloat64});
    norm.operator()<FilterResponseNorm>("FilterResponseNorm without TLU", kSmoothOrder, plain);
    norm.operator()<FilterResponseNorm>("FilterResponseNorm learn_eps", kKinkedOrder,
                                        FilterResponseNormOptions{.learn_eps = true, .dtype = kFloat64});
    norm.operator()<EvoNormS0>("EvoNormS0", kSmoothOrder, EvoNormS0Options{.num_groups = 1, .dtype = kFloat64});
    // Two channels normalize to nearly -1 and 1 whatever they are: only a large eps leaves a gradient to compare.
    norm.operator()<PositionalNorm>("PositionalNorm", kKinkedOrder,
                                    PositionalNormOptions{.eps = 0.1, .dtype = kFloat64});
    norm.operator()<DivisiveNorm>("DivisiveNorm", kSmoothOrder, DivisiveNormOptions{.affine = true, .dtype = kFloat64});
    for (const bool train : {true, false}) {
      add_layer(list, "EvoNormB0", std::make_shared<EvoNormB0>(2, EvoNormB0Options{.dtype = kFloat64}), list.normal(x),
                train);
    }
  }
  const PositionalNormOptions affine = {.affine = true, .dtype = kFloat64};
  add_paper_norm<PositionalNorm>(list, "PositionalNorm affine", {1, 4, 2}, kSmoothOrder, 4, affine);
  add_paper_norm<PositionalNorm>(list, "PositionalNorm affine", {2, 4}, kSmoothOrder, 4, affine);
  add_paper_norm<EvoNormS0>(list, "EvoNormS0", {1, 4}, kSmoothOrder, 4,
                            EvoNormS0Options{.num_groups = 2, .dtype = kFloat64});
  add_paper_norm<DivisiveNorm>(list, "DivisiveNorm learn_sigma", {1, 5}, kSmoothOrder, 5,
                               DivisiveNormOptions{.sup_window = 5, .learn_sigma = true, .dtype = kFloat64});
  add_paper_norm<LocalResponseNorm>(list, "LocalResponseNorm, to order 4", {1, 4, 2}, kSmoothOrder, 3,
                                    LocalResponseNormOptions{.alpha = 0.5});
  list.add("PositionalNorm, moment_shortcut",
           [](const Inputs& in) {
             PositionalNorm norm(3, {.dtype = kFloat64});
             const PositionalMoments moments = norm.with_moments(in[0]);
             return moment_shortcut(in[1] * moments.y, moments.mean, moments.std);
           },
           {list.normal({1, 3, 2}, 1.0, 0.7), list.normal({1, 3, 2})})
      .max_order = kSmoothOrder;
}

}  // namespace

void add_norms_of_papers(CaseList& list) {
  list.start_family("norm layers of papers");
  add_vector_norms(list);
  add_image_norms(list);
}

}  // namespace normgrad::tests
