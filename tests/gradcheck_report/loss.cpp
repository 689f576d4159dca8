#include "normgrad/core/ops/loss/loss.hpp"

#include "tests/gradcheck_report/cases.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/loss/ctc.hpp"
#include "normgrad/core/ops/reduction/softmax.hpp"

namespace normgrad::tests {

namespace {

struct NamedReduction {
  const char* name;
  Reduction reduction;
};
const std::vector<NamedReduction> kReductions = {
    {" none", Reduction::none}, {" mean", Reduction::mean}, {" sum", Reduction::sum}};

Tensor constant(const Tensor& x) { return x.detach(); }

void add_classification(CaseList& list, const NamedReduction& r) {
  const Reduction reduction = r.reduction;
  const std::string suffix = r.name;
  struct Sizes {
    Shape logits;
    Shape target;
  };
  for (const Sizes& s : {Sizes{{3, 4}, {3}}, Sizes{{4}, {}}, Sizes{{2, 3, 2, 2}, {2, 2, 2}}}) {
    const Tensor target = list.indices(s.target, s.logits.rank() == 1 ? 4 : s.logits[1]);
    const std::int64_t classes = s.logits.rank() == 1 ? 4 : s.logits[1];
    const Tensor weight = constant(list.uniform({classes}, 0.5, 2.0));
    list.add("cross_entropy" + suffix,
             [=](const Inputs& in) { return cross_entropy(in[0], target, {.reduction = reduction}); },
             {list.normal(s.logits)});
    list.add("cross_entropy weight smoothing" + suffix,
             [=](const Inputs& in) {
               return cross_entropy(in[0], target, {.weight = weight, .reduction = reduction, .label_smoothing = 0.2});
             },
             {list.normal(s.logits)});
    list.add("nll_loss" + suffix,
             [=](const Inputs& in) {
               return nll_loss(log_softmax(in[0], in[0].dim() == 1 ? 0 : 1), target,
                               {.weight = weight, .reduction = reduction});
             },
             {list.normal(s.logits)});
  }
  const Tensor labels = list.indices({5}, 3);
  list.add("cross_entropy ignore_index" + suffix,
           [=](const Inputs& in) {
             return cross_entropy(in[0], labels,
                                  {.ignore_index = labels.data<std::int64_t>()[0], .reduction = reduction});
           },
           {list.normal({5, 3})});
  const Tensor probabilities = constant(softmax(list.normal({3, 4}), 1));
  list.add("cross_entropy probabilities" + suffix,
           [=](const Inputs& in) {
             return cross_entropy(in[0], probabilities, {.reduction = reduction, .label_smoothing = 0.1});
           },
           {list.normal({3, 4})});
}

}  // namespace

void add_losses(CaseList& list) {
  list.start_family("losses");
  const Shape shape = {3, 4};
  for (const NamedReduction& r : kReductions) {
    const Reduction reduction = r.reduction;
    const std::string suffix = r.name;
    add_classification(list, r);
    const auto pair = [&](const std::string& name, TensorFunction f) {
      list.add(name + suffix, std::move(f), {list.distinct(shape), list.normal(shape, 20.0, 0.01)});
    };
    list.add("mse_loss" + suffix, [=](const Inputs& in) { return mse_loss(in[0], in[1], {reduction}); },
             {list.normal(shape), list.normal(shape)});
    pair("l1_loss", [=](const Inputs& in) { return l1_loss(in[0], in[1], {reduction}); });
    for (const double size : {0.5, 30.0}) {  // the linear part and the quadratic one
      pair("smooth_l1_loss beta=" + number(size),
           [=](const Inputs& in) { return smooth_l1_loss(in[0], in[1], {.beta = size, .reduction = reduction}); });
      pair("huber_loss delta=" + number(size),
           [=](const Inputs& in) { return huber_loss(in[0], in[1], {.delta = size, .reduction = reduction}); });
    }
    const Tensor weight = constant(list.uniform({4}, 0.5, 2.0));
    const Tensor pos_weight = constant(list.uniform({4}, 0.5, 2.0));
    list.add("binary_cross_entropy_with_logits" + suffix,
             [=](const Inputs& in) { return binary_cross_entropy_with_logits(in[0], in[1], {.reduction = reduction}); },
             {list.normal(shape), list.uniform(shape, 0, 1)});
    list.add("binary_cross_entropy_with_logits weights" + suffix,
             [=](const Inputs& in) {
               return binary_cross_entropy_with_logits(
                   in[0], in[1], {.weight = weight, .pos_weight = pos_weight, .reduction = reduction});
             },
             {list.normal(shape, 0, 3), list.uniform(shape, 0, 1)});
  }
  for (const NamedReduction& r :
       {kReductions[0], kReductions[1], kReductions[2], {" batchmean", Reduction::batchmean}}) {
    const Reduction reduction = r.reduction;
    for (const bool log_target : {false, true}) {
      list.add(
          std::string("kl_div") + (log_target ? " log_target" : "") + r.name,
          [=](const Inputs& in) { return kl_div(in[0], in[1], {.log_target = log_target, .reduction = reduction}); },
          {list.normal(shape), list.uniform(shape, 0.2, 1)});
    }
  }
  const Tensor targets = from_vector(std::vector<std::int64_t>{1, 2, 2, 3, 1, 3}, {6});
  const std::vector<std::int64_t> input_lengths{5, 3};
  const std::vector<std::int64_t> target_lengths{4, 2};
  for (const NamedReduction& r : kReductions) {
    const Reduction reduction = r.reduction;
    list.add(std::string("ctc_loss") + r.name,
             [=](const Inputs& in) {
               return ctc_loss(in[0], targets, input_lengths, target_lengths, {.reduction = reduction});
             },
             {list.normal({5, 2, 4})});
  }
}

}  // namespace normgrad::tests
