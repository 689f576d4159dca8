#include "normgrad/layers/loss.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(MSELoss)
NORMGRAD_DEFINE_MEMBERS(L1Loss)
NORMGRAD_DEFINE_MEMBERS(SmoothL1Loss)
NORMGRAD_DEFINE_MEMBERS(HuberLoss)
NORMGRAD_DEFINE_MEMBERS(CrossEntropyLoss, weight)
NORMGRAD_DEFINE_MEMBERS(NLLLoss, weight)
NORMGRAD_DEFINE_MEMBERS(BCELoss, weight)
NORMGRAD_DEFINE_MEMBERS(BCEWithLogitsLoss, weight, pos_weight)
NORMGRAD_DEFINE_MEMBERS(KLDivLoss)
NORMGRAD_DEFINE_MEMBERS(PoissonNLLLoss)
NORMGRAD_DEFINE_MEMBERS(GaussianNLLLoss)
NORMGRAD_DEFINE_MEMBERS(MarginRankingLoss)
NORMGRAD_DEFINE_MEMBERS(HingeEmbeddingLoss)
NORMGRAD_DEFINE_MEMBERS(SoftMarginLoss)
NORMGRAD_DEFINE_MEMBERS(CosineEmbeddingLoss)
NORMGRAD_DEFINE_MEMBERS(MultiMarginLoss, weight)
NORMGRAD_DEFINE_MEMBERS(MultiLabelMarginLoss)
NORMGRAD_DEFINE_MEMBERS(MultiLabelSoftMarginLoss, weight)
NORMGRAD_DEFINE_MEMBERS(TripletMarginLoss)
NORMGRAD_DEFINE_MEMBERS(TripletMarginWithDistanceLoss)
NORMGRAD_DEFINE_MEMBERS(CTCLoss)

namespace detail {

bool LossModule::normgrad_calls_forward() const { return true; }

template <class F>
Tensor LossModule::call(const F& f) const {
  refuse_hooks();
  return const_cast<LossModule*>(this)->with_path(f);  // which notes the call, and changes nothing else
}

}  // namespace detail

namespace {

void check_loss_reduction(const char* loss, Reduction reduction) {
  require<ValueError>(reduction != Reduction::batchmean, loss,
                      ": expected reduction none, mean or sum but got batchmean, which is for KLDivLoss only");
}

const char* option_text(bool value) { return value ? "true" : "false"; }
std::int64_t option_text(std::int64_t value) { return value; }
double option_text(double value) { return value; }
const char* option_text(Reduction value) {
  switch (value) {
    case Reduction::none:
      return "none";
    case Reduction::mean:
      return "mean";
    case Reduction::sum:
      return "sum";
    case Reduction::batchmean:
      break;
  }
  return "batchmean";
}

// The options that are not the defaults, such as "margin=2, reduction=sum".
template <class Options>
class ChangedOptions {
 public:
  explicit ChangedOptions(const Options& options) : options_(options) {}

  template <class T>
  ChangedOptions& with(const char* name, T Options::*option) {
    if (options_.*option != defaults_.*option) {
      text_ += detail::concat(text_.empty() ? "" : ", ", name, "=", option_text(options_.*option));
    }
    return *this;
  }
  // Ends with the reduction, which all losses have.
  std::string text() { return with("reduction", &Options::reduction).text_; }

 private:
  const Options& options_;
  const Options defaults_ = {};
  std::string text_;
};

// The buffers have memory of their own, into which a loss is assigned and loaded.
Tensor copy_of(const Tensor& weight) { return weight.defined() ? weight.detach().clone() : weight; }

template <class Options>
Options without_weight(Options options) {
  options.weight = Tensor();
  return options;
}

template <class Options>
Options with_weight(Options options, const StateBuffer& weight) {
  options.weight = weight;
  return options;
}

}  // namespace

MSELoss::MSELoss(const LossOptions& options) : options_(options) { check_loss_reduction("MSELoss", options.reduction); }
std::string MSELoss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor MSELoss::forward(const Tensor& x, const Tensor& target) const { return mse_loss(x, target, options_); }
Tensor MSELoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

L1Loss::L1Loss(const LossOptions& options) : options_(options) { check_loss_reduction("L1Loss", options.reduction); }
std::string L1Loss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor L1Loss::forward(const Tensor& x, const Tensor& target) const { return l1_loss(x, target, options_); }
Tensor L1Loss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

SmoothL1Loss::SmoothL1Loss(const SmoothL1LossOptions& options) : options_(options) {
  require<ValueError>(options.beta >= 0.0, "SmoothL1Loss: expected beta >= 0 but got ", options.beta);
  check_loss_reduction("SmoothL1Loss", options.reduction);
}
std::string SmoothL1Loss::extra_repr() const {
  return ChangedOptions(options_).with("beta", &SmoothL1LossOptions::beta).text();
}
Tensor SmoothL1Loss::forward(const Tensor& x, const Tensor& target) const {
  return smooth_l1_loss(x, target, options_);
}
Tensor SmoothL1Loss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

HuberLoss::HuberLoss(const HuberLossOptions& options) : options_(options) {
  require<ValueError>(options.delta > 0.0, "HuberLoss: expected delta > 0 but got ", options.delta);
  check_loss_reduction("HuberLoss", options.reduction);
}
std::string HuberLoss::extra_repr() const {
  return ChangedOptions(options_).with("delta", &HuberLossOptions::delta).text();
}
Tensor HuberLoss::forward(const Tensor& x, const Tensor& target) const { return huber_loss(x, target, options_); }
Tensor HuberLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyOptions& options)
    : weight(copy_of(options.weight)), options_(without_weight(options)) {
  require<ValueError>(options.label_smoothing >= 0.0 && options.label_smoothing <= 1.0,
                      "CrossEntropyLoss: expected label_smoothing in [0, 1] but got ", options.label_smoothing);
  check_loss_reduction("CrossEntropyLoss", options.reduction);
}
std::string CrossEntropyLoss::extra_repr() const {
  return ChangedOptions(options_)
      .with("ignore_index", &CrossEntropyOptions::ignore_index)
      .with("label_smoothing", &CrossEntropyOptions::label_smoothing)
      .text();
}
Tensor CrossEntropyLoss::forward(const Tensor& logits, const Tensor& target) const {
  return cross_entropy(logits, target, with_weight(options_, weight));
}
Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& target) const {
  return call([&] { return forward(logits, target); });
}

NLLLoss::NLLLoss(const NllLossOptions& options) : weight(copy_of(options.weight)), options_(without_weight(options)) {
  check_loss_reduction("NLLLoss", options.reduction);
}
std::string NLLLoss::extra_repr() const {
  return ChangedOptions(options_).with("ignore_index", &NllLossOptions::ignore_index).text();
}
Tensor NLLLoss::forward(const Tensor& log_probs, const Tensor& target) const {
  return nll_loss(log_probs, target, with_weight(options_, weight));
}
Tensor NLLLoss::operator()(const Tensor& log_probs, const Tensor& target) const {
  return call([&] { return forward(log_probs, target); });
}

BCELoss::BCELoss(const BinaryCrossEntropyOptions& options)
    : weight(copy_of(options.weight)), options_(without_weight(options)) {
  check_loss_reduction("BCELoss", options.reduction);
}
std::string BCELoss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor BCELoss::forward(const Tensor& x, const Tensor& target) const {
  return binary_cross_entropy(x, target, with_weight(options_, weight));
}
Tensor BCELoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

BCEWithLogitsLoss::BCEWithLogitsLoss(const BceWithLogitsOptions& options)
    : weight(copy_of(options.weight)), pos_weight(copy_of(options.pos_weight)), options_(without_weight(options)) {
  check_loss_reduction("BCEWithLogitsLoss", options.reduction);
  options_.pos_weight = Tensor();
}
std::string BCEWithLogitsLoss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor BCEWithLogitsLoss::forward(const Tensor& x, const Tensor& target) const {
  BceWithLogitsOptions options = with_weight(options_, weight);
  options.pos_weight = pos_weight;
  return binary_cross_entropy_with_logits(x, target, options);
}
Tensor BCEWithLogitsLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

KLDivLoss::KLDivLoss(const KlDivOptions& options) : options_(options) {}
std::string KLDivLoss::extra_repr() const {
  return ChangedOptions(options_).with("log_target", &KlDivOptions::log_target).text();
}
Tensor KLDivLoss::forward(const Tensor& x, const Tensor& target) const { return kl_div(x, target, options_); }
Tensor KLDivLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

PoissonNLLLoss::PoissonNLLLoss(const PoissonNllOptions& options) : options_(options) {
  check_loss_reduction("PoissonNLLLoss", options.reduction);
}
std::string PoissonNLLLoss::extra_repr() const {
  return ChangedOptions(options_)
      .with("log_input", &PoissonNllOptions::log_input)
      .with("full", &PoissonNllOptions::full)
      .with("eps", &PoissonNllOptions::eps)
      .text();
}
Tensor PoissonNLLLoss::forward(const Tensor& x, const Tensor& target) const {
  return poisson_nll_loss(x, target, options_);
}
Tensor PoissonNLLLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

GaussianNLLLoss::GaussianNLLLoss(const GaussianNllOptions& options) : options_(options) {
  require<ValueError>(options.eps > 0.0, "GaussianNLLLoss: expected eps > 0 but got ", options.eps);
  check_loss_reduction("GaussianNLLLoss", options.reduction);
}
std::string GaussianNLLLoss::extra_repr() const {
  return ChangedOptions(options_).with("full", &GaussianNllOptions::full).with("eps", &GaussianNllOptions::eps).text();
}
Tensor GaussianNLLLoss::forward(const Tensor& x, const Tensor& target, const Tensor& var) const {
  return gaussian_nll_loss(x, target, var, options_);
}
Tensor GaussianNLLLoss::operator()(const Tensor& x, const Tensor& target, const Tensor& var) const {
  return call([&] { return forward(x, target, var); });
}

MarginRankingLoss::MarginRankingLoss(const MarginOptions& options) : options_(options) {
  check_loss_reduction("MarginRankingLoss", options.reduction);
}
std::string MarginRankingLoss::extra_repr() const {
  return ChangedOptions(options_).with("margin", &MarginOptions::margin).text();
}
Tensor MarginRankingLoss::forward(const Tensor& x1, const Tensor& x2, const Tensor& target) const {
  return margin_ranking_loss(x1, x2, target, options_);
}
Tensor MarginRankingLoss::operator()(const Tensor& x1, const Tensor& x2, const Tensor& target) const {
  return call([&] { return forward(x1, x2, target); });
}

HingeEmbeddingLoss::HingeEmbeddingLoss(const HingeEmbeddingOptions& options) : options_(options) {
  check_loss_reduction("HingeEmbeddingLoss", options.reduction);
}
std::string HingeEmbeddingLoss::extra_repr() const {
  return ChangedOptions(options_).with("margin", &HingeEmbeddingOptions::margin).text();
}
Tensor HingeEmbeddingLoss::forward(const Tensor& x, const Tensor& target) const {
  return hinge_embedding_loss(x, target, options_);
}
Tensor HingeEmbeddingLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

SoftMarginLoss::SoftMarginLoss(const LossOptions& options) : options_(options) {
  check_loss_reduction("SoftMarginLoss", options.reduction);
}
std::string SoftMarginLoss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor SoftMarginLoss::forward(const Tensor& x, const Tensor& target) const {
  return soft_margin_loss(x, target, options_);
}
Tensor SoftMarginLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

CosineEmbeddingLoss::CosineEmbeddingLoss(const MarginOptions& options) : options_(options) {
  check_loss_reduction("CosineEmbeddingLoss", options.reduction);
}
std::string CosineEmbeddingLoss::extra_repr() const {
  return ChangedOptions(options_).with("margin", &MarginOptions::margin).text();
}
Tensor CosineEmbeddingLoss::forward(const Tensor& x1, const Tensor& x2, const Tensor& target) const {
  return cosine_embedding_loss(x1, x2, target, options_);
}
Tensor CosineEmbeddingLoss::operator()(const Tensor& x1, const Tensor& x2, const Tensor& target) const {
  return call([&] { return forward(x1, x2, target); });
}

MultiMarginLoss::MultiMarginLoss(const MultiMarginOptions& options)
    : weight(copy_of(options.weight)), options_(without_weight(options)) {
  require<ValueError>(options.p == 1.0 || options.p == 2.0, "MultiMarginLoss: expected p of 1 or 2 but got ",
                      options.p);
  check_loss_reduction("MultiMarginLoss", options.reduction);
}
std::string MultiMarginLoss::extra_repr() const {
  return ChangedOptions(options_).with("p", &MultiMarginOptions::p).with("margin", &MultiMarginOptions::margin).text();
}
Tensor MultiMarginLoss::forward(const Tensor& x, const Tensor& target) const {
  return multi_margin_loss(x, target, with_weight(options_, weight));
}
Tensor MultiMarginLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

MultiLabelMarginLoss::MultiLabelMarginLoss(const LossOptions& options) : options_(options) {
  check_loss_reduction("MultiLabelMarginLoss", options.reduction);
}
std::string MultiLabelMarginLoss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor MultiLabelMarginLoss::forward(const Tensor& x, const Tensor& target) const {
  return multilabel_margin_loss(x, target, options_);
}
Tensor MultiLabelMarginLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

MultiLabelSoftMarginLoss::MultiLabelSoftMarginLoss(const MultilabelSoftMarginOptions& options)
    : weight(copy_of(options.weight)), options_(without_weight(options)) {
  check_loss_reduction("MultiLabelSoftMarginLoss", options.reduction);
}
std::string MultiLabelSoftMarginLoss::extra_repr() const { return ChangedOptions(options_).text(); }
Tensor MultiLabelSoftMarginLoss::forward(const Tensor& x, const Tensor& target) const {
  return multilabel_soft_margin_loss(x, target, with_weight(options_, weight));
}
Tensor MultiLabelSoftMarginLoss::operator()(const Tensor& x, const Tensor& target) const {
  return call([&] { return forward(x, target); });
}

TripletMarginLoss::TripletMarginLoss(const TripletMarginOptions& options) : options_(options) {
  require<ValueError>(options.margin > 0.0, "TripletMarginLoss: expected margin > 0 but got ", options.margin);
  check_loss_reduction("TripletMarginLoss", options.reduction);
}
std::string TripletMarginLoss::extra_repr() const {
  return ChangedOptions(options_)
      .with("margin", &TripletMarginOptions::margin)
      .with("p", &TripletMarginOptions::p)
      .with("eps", &TripletMarginOptions::eps)
      .with("swap", &TripletMarginOptions::swap)
      .text();
}
Tensor TripletMarginLoss::forward(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const {
  return triplet_margin_loss(anchor, positive, negative, options_);
}
Tensor TripletMarginLoss::operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const {
  return call([&] { return forward(anchor, positive, negative); });
}

TripletMarginWithDistanceLoss::TripletMarginWithDistanceLoss(const TripletMarginWithDistanceOptions& options)
    : options_(options) {
  require<ValueError>(options.margin > 0.0, "TripletMarginWithDistanceLoss: expected margin > 0 but got ",
                      options.margin);
  check_loss_reduction("TripletMarginWithDistanceLoss", options.reduction);
}
std::string TripletMarginWithDistanceLoss::extra_repr() const {
  return ChangedOptions(options_)
      .with("margin", &TripletMarginWithDistanceOptions::margin)
      .with("swap", &TripletMarginWithDistanceOptions::swap)
      .text();
}
Tensor TripletMarginWithDistanceLoss::forward(const Tensor& anchor, const Tensor& positive,
                                              const Tensor& negative) const {
  return triplet_margin_with_distance_loss(anchor, positive, negative, options_);
}
Tensor TripletMarginWithDistanceLoss::operator()(const Tensor& anchor, const Tensor& positive,
                                                 const Tensor& negative) const {
  return call([&] { return forward(anchor, positive, negative); });
}

CTCLoss::CTCLoss(const CtcLossOptions& options) : options_(options) {
  require<ValueError>(options.blank >= 0, "CTCLoss: expected blank >= 0 but got ", options.blank);
  check_loss_reduction("CTCLoss", options.reduction);
}
std::string CTCLoss::extra_repr() const {
  return ChangedOptions(options_)
      .with("blank", &CtcLossOptions::blank)
      .with("zero_infinity", &CtcLossOptions::zero_infinity)
      .text();
}
Tensor CTCLoss::forward(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                        const Tensor& target_lengths) const {
  return ctc_loss(log_probs, targets, input_lengths, target_lengths, options_);
}
Tensor CTCLoss::operator()(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                           const Tensor& target_lengths) const {
  return call([&] { return forward(log_probs, targets, input_lengths, target_lengths); });
}
Tensor CTCLoss::forward(const Tensor& log_probs, const Tensor& targets, const std::vector<std::int64_t>& input_lengths,
                        const std::vector<std::int64_t>& target_lengths) const {
  return ctc_loss(log_probs, targets, input_lengths, target_lengths, options_);
}
Tensor CTCLoss::operator()(const Tensor& log_probs, const Tensor& targets,
                           const std::vector<std::int64_t>& input_lengths,
                           const std::vector<std::int64_t>& target_lengths) const {
  return call([&] { return forward(log_probs, targets, input_lengths, target_lengths); });
}

}  // namespace normgrad
