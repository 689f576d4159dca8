#include "normgrad/core/ops/loss/margin.hpp"

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/loss/likelihood.hpp"

namespace normgrad::tests {

void add_margin_losses(CaseList& list) {
  list.start_family("losses with margins, likelihoods");
  const Tensor signs = tensor({1, -1, 1, -1}, {.dtype = kFloat64});
  const Tensor labels = tensor({{1, 0, 0}, {0, 1, 1}, {1, 1, 0}, {0, 0, 1}}, {.dtype = kFloat64});
  const Tensor classes = list.indices({4}, 3);
  const Tensor several = tensor({{2, 0, -1}, {1, -1, -1}, {-1, -1, -1}, {0, 2, 1}}, {.dtype = kInt64});
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    const char* const names[] = {" none", " mean", " sum"};
    const std::string suffix = names[static_cast<int>(reduction)];
    const auto one = [&](const std::string& name, const Tensor& x, const std::function<Tensor(const Tensor&)>& f) {
      list.add(name + suffix, [f](const Inputs& in) { return f(in[0]); }, {x});
    };
    // Squared losses where the second order would be zero.
    list.add("margin_ranking_loss" + suffix,
             [=](const Inputs& in) {
               const Tensor loss = margin_ranking_loss(in[0], in[1], signs, {.margin = 5.0, .reduction = reduction});
               return loss * loss;
             },
             {list.uniform({4}, -1, 1), list.uniform({4}, -1, 1)});
    one("hinge_embedding_loss", list.uniform({4}, 0.2, 0.8), [=](const Tensor& x) {
      const Tensor loss = hinge_embedding_loss(x, signs, {.margin = 1.0, .reduction = reduction});
      return loss * loss;
    });
    one("soft_margin_loss", list.normal({4}), [=](const Tensor& x) { return soft_margin_loss(x, signs, {reduction}); });
    list.add("cosine_embedding_loss" + suffix,
             [=](const Inputs& in) {
               return cosine_embedding_loss(in[0], in[1], signs, {.margin = -1.5, .reduction = reduction});
             },
             {list.normal({4, 3}), list.normal({4, 3})});
    one("multi_margin_loss", list.uniform({4, 3}, -1, 1), [=](const Tensor& x) {
      return multi_margin_loss(x, classes, {.p = 2.0, .margin = 3.0, .reduction = reduction});
    });
    one("multilabel_margin_loss", list.uniform({4, 3}, -0.4, 0.4), [=](const Tensor& x) {
      const Tensor loss = multilabel_margin_loss(x, several, {reduction});
      return loss * loss;
    });
    one("multilabel_soft_margin_loss", list.normal({4, 3}),
        [=](const Tensor& x) { return multilabel_soft_margin_loss(x, labels, {.reduction = reduction}); });
    list.add("triplet_margin_loss" + suffix,
             [=](const Inputs& in) {
               return triplet_margin_loss(in[0], in[1], in[2], {.margin = 20.0, .swap = true, .reduction = reduction});
             },
             {list.normal({4, 3}), list.normal({4, 3}), list.normal({4, 3})});
    list.add("triplet_margin_with_distance_loss" + suffix,
             [=](const Inputs& in) {
               return triplet_margin_with_distance_loss(in[0], in[1], in[2], {.margin = 20.0, .reduction = reduction});
             },
             {list.normal({4, 3}), list.normal({4, 3}), list.normal({4, 3})});
    list.add("binary_cross_entropy" + suffix,
             [=](const Inputs& in) {
               return binary_cross_entropy(in[0], in[1], {.weight = labels + 1.0, .reduction = reduction});
             },
             {list.uniform({4, 3}, 0.2, 0.8), list.uniform({4, 3}, 0.2, 0.8)});
    one("poisson_nll_loss", list.normal({4, 3}),
        [=](const Tensor& x) { return poisson_nll_loss(x, labels, {.reduction = reduction}); });
    one("poisson_nll_loss rate", list.uniform({4, 3}, 0.5, 2.0), [=](const Tensor& x) {
      return poisson_nll_loss(x, labels * 3.0, {.log_input = false, .full = true, .reduction = reduction});
    });
    list.add("gaussian_nll_loss" + suffix,
             [=](const Inputs& in) { return gaussian_nll_loss(in[0], in[1], in[2], {.reduction = reduction}); },
             {list.normal({4, 3}), list.normal({4, 3}), list.uniform({4, 1}, 0.5, 2.0)});
    one("sigmoid_focal_loss", list.normal({4, 3}),
        [=](const Tensor& x) { return sigmoid_focal_loss(x, labels, {.reduction = reduction}); });
  }
}

}  // namespace normgrad::tests
