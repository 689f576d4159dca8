// Losses as modules that hold the options of their function. Formulas, shapes, dtypes and errors are those of the
// functions, which are documented in core/ops/loss.
//
//   CrossEntropyLoss criterion({.label_smoothing = 0.1});
//   Tensor loss = criterion(logits, labels);
//
// A loss may be const, and a member of a model. forward() and operator() are the same, but errors of the latter carry
// the path of the module. The weights of CrossEntropyLoss, NLLLoss, BCELoss, BCEWithLogitsLoss, MultiMarginLoss and
// MultiLabelSoftMarginLoss are buffers, as in PyTorch: they are saved in the state dict under "weight" and "pos_weight"
// if they are given, and converted and copied with the model. They are copies of the tensors in the options, and no
// gradient flows into them. A printed loss shows the options that are not the defaults.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/ops/loss/ctc.hpp"
#include "normgrad/core/ops/loss/likelihood.hpp"
#include "normgrad/core/ops/loss/loss.hpp"
#include "normgrad/core/ops/loss/margin.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

/// Base of the losses. A call changes nothing, so a const loss may be called in training mode too.
class LossModule : public Module {
 protected:
  /// Returns f(), which throws errors with the path of this module. For layers/loss.cpp.
  template <class F>
  Tensor call(const F& f) const;

 private:
  bool normgrad_calls_forward() const override;
};

}  // namespace detail

/// (x - target)^2; see mse_loss().
class MSELoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit MSELoss(const LossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(MSELoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  LossOptions options_;
};

/// |x - target|; see l1_loss().
class L1Loss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit L1Loss(const LossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(L1Loss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  LossOptions options_;
};

/// 0.5 d^2 / beta for |d| < beta, else |d| - 0.5 beta, where d = x - target; see smooth_l1_loss().
class SmoothL1Loss : public detail::LossModule {
 public:
  /// Throws ValueError unless beta >= 0, and for the reduction batchmean.
  explicit SmoothL1Loss(const SmoothL1LossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(SmoothL1Loss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  SmoothL1LossOptions options_;
};

/// 0.5 d^2 for |d| < delta, else delta (|d| - 0.5 delta), where d = x - target; see huber_loss().
class HuberLoss : public detail::LossModule {
 public:
  /// Throws ValueError unless delta > 0, and for the reduction batchmean.
  explicit HuberLoss(const HuberLossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(HuberLoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  HuberLossOptions options_;
};

/// The softmax cross entropy of logits; see cross_entropy().
class CrossEntropyLoss : public detail::LossModule {
 public:
  /// Throws ValueError unless label_smoothing is in [0, 1], and for the reduction batchmean.
  explicit CrossEntropyLoss(const CrossEntropyOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(CrossEntropyLoss)
  std::string extra_repr() const override;
  /// logits: [N, C], [C] or [N, C, d1, ...]; target: int64 classes of that shape without C, or probabilities of that
  /// shape. The result has no axes, or that shape without C for Reduction::none.
  Tensor forward(const Tensor& logits, const Tensor& target) const;
  Tensor operator()(const Tensor& logits, const Tensor& target) const;

  StateBuffer weight;  ///< [C]; undefined unless given

 private:
  CrossEntropyOptions options_;  // without the weight
};

/// The negative log-likelihood of log-probabilities; see nll_loss().
class NLLLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit NLLLoss(const NllLossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(NLLLoss)
  std::string extra_repr() const override;
  /// log_probs: [N, C], [C] or [N, C, d1, ...]; target: int64 classes of that shape without C. The result has no axes,
  /// or the shape of the target for Reduction::none.
  Tensor forward(const Tensor& log_probs, const Tensor& target) const;
  Tensor operator()(const Tensor& log_probs, const Tensor& target) const;

  StateBuffer weight;  ///< [C]; undefined unless given

 private:
  NllLossOptions options_;  // without the weight
};

/// The binary cross entropy of probabilities; see binary_cross_entropy().
class BCELoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit BCELoss(const BinaryCrossEntropyOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(BCELoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

  StateBuffer weight;  ///< broadcasts to x; undefined unless given

 private:
  BinaryCrossEntropyOptions options_;  // without the weight
};

/// The binary cross entropy of logits; see binary_cross_entropy_with_logits().
class BCEWithLogitsLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit BCEWithLogitsLoss(const BceWithLogitsOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(BCEWithLogitsLoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

  StateBuffer weight;      ///< broadcasts to x; undefined unless given
  StateBuffer pos_weight;  ///< broadcasts to x; undefined unless given

 private:
  BceWithLogitsOptions options_;  // without the weights
};

/// The Kullback-Leibler divergence from log-probabilities; see kl_div().
class KLDivLoss : public detail::LossModule {
 public:
  explicit KLDivLoss(const KlDivOptions& options = {});  ///< takes every reduction
  NORMGRAD_DECLARE_MEMBERS(KLDivLoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  KlDivOptions options_;
};

/// The negative log-likelihood of a Poisson distribution; see poisson_nll_loss().
class PoissonNLLLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit PoissonNLLLoss(const PoissonNllOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(PoissonNLLLoss)
  std::string extra_repr() const override;
  /// x and target broadcast. The result has no axes, or their common shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  PoissonNllOptions options_;
};

/// The negative log-likelihood of a normal distribution; see gaussian_nll_loss().
class GaussianNLLLoss : public detail::LossModule {
 public:
  /// Throws ValueError unless eps > 0, and for the reduction batchmean.
  explicit GaussianNLLLoss(const GaussianNllOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(GaussianNLLLoss)
  std::string extra_repr() const override;
  /// x and target have the same shape; var has it too, or lacks the last axis, or has size 1 there. The result has no
  /// axes, or the shape of x for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target, const Tensor& var) const;
  Tensor operator()(const Tensor& x, const Tensor& target, const Tensor& var) const;

 private:
  GaussianNllOptions options_;
};

/// max(0, -target (x1 - x2) + margin); see margin_ranking_loss().
class MarginRankingLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit MarginRankingLoss(const MarginOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(MarginRankingLoss)
  std::string extra_repr() const override;
  /// All three broadcast. The result has no axes, or their common shape for Reduction::none.
  Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& target) const;
  Tensor operator()(const Tensor& x1, const Tensor& x2, const Tensor& target) const;

 private:
  MarginOptions options_;
};

/// x where the target is 1, and max(0, margin - x) where it is -1; see hinge_embedding_loss().
class HingeEmbeddingLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit HingeEmbeddingLoss(const HingeEmbeddingOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(HingeEmbeddingLoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  HingeEmbeddingOptions options_;
};

/// log(1 + exp(-target x)); see soft_margin_loss().
class SoftMarginLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit SoftMarginLoss(const LossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(SoftMarginLoss)
  std::string extra_repr() const override;
  /// x and target have the same shape. The result has no axes, or that shape for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  LossOptions options_;
};

/// 1 - cos(x1, x2) where the target is 1, and max(0, cos(x1, x2) - margin) where it is -1; see cosine_embedding_loss().
class CosineEmbeddingLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit CosineEmbeddingLoss(const MarginOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(CosineEmbeddingLoss)
  std::string extra_repr() const override;
  /// x1, x2: [N, D] with a target [N], or [D] with a target without axes. The result has no axes, or the shape of the
  /// target for Reduction::none.
  Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& target) const;
  Tensor operator()(const Tensor& x1, const Tensor& x2, const Tensor& target) const;

 private:
  MarginOptions options_;
};

/// The hinge loss of one class against all others; see multi_margin_loss().
class MultiMarginLoss : public detail::LossModule {
 public:
  /// Throws ValueError unless p is 1 or 2, and for the reduction batchmean.
  explicit MultiMarginLoss(const MultiMarginOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(MultiMarginLoss)
  std::string extra_repr() const override;
  /// x: [N, C] or [C]; target: int64 classes [N] or without axes. The result has no axes, or the shape of the target
  /// for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

  StateBuffer weight;  ///< [C]; undefined unless given

 private:
  MultiMarginOptions options_;  // without the weight
};

/// The hinge loss of several classes against all others; see multilabel_margin_loss().
class MultiLabelMarginLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit MultiLabelMarginLoss(const LossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(MultiLabelMarginLoss)
  std::string extra_repr() const override;
  /// x: [N, C] or [C]; target: int64 of the same shape, with the classes first, then -1. The result has no axes, or [N]
  /// for Reduction::none and an x [N, C].
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

 private:
  LossOptions options_;
};

/// The mean over the classes of the binary cross entropy of logits; see multilabel_soft_margin_loss().
class MultiLabelSoftMarginLoss : public detail::LossModule {
 public:
  /// Throws ValueError for the reduction batchmean.
  explicit MultiLabelSoftMarginLoss(const MultilabelSoftMarginOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(MultiLabelSoftMarginLoss)
  std::string extra_repr() const override;
  /// x and target: [*, C]. The result has no axes, or is [*] for Reduction::none.
  Tensor forward(const Tensor& x, const Tensor& target) const;
  Tensor operator()(const Tensor& x, const Tensor& target) const;

  StateBuffer weight;  ///< broadcasts to x; undefined unless given

 private:
  MultilabelSoftMarginOptions options_;  // without the weight
};

/// max(0, d(anchor, positive) - d(anchor, negative) + margin) with a norm as d; see triplet_margin_loss().
class TripletMarginLoss : public detail::LossModule {
 public:
  /// Throws ValueError unless margin > 0, and for the reduction batchmean.
  explicit TripletMarginLoss(const TripletMarginOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(TripletMarginLoss)
  std::string extra_repr() const override;
  /// All [N, D] or [D]. The result has no axes, or is [N] for Reduction::none and inputs [N, D].
  Tensor forward(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;

 private:
  TripletMarginOptions options_;
};

/// TripletMarginLoss with another distance; see triplet_margin_with_distance_loss().
class TripletMarginWithDistanceLoss : public detail::LossModule {
 public:
  /// Copies of the loss have copies of the function. A module that the function calls is not a member of the loss.
  /// Throws ValueError unless margin > 0, and for the reduction batchmean.
  explicit TripletMarginWithDistanceLoss(const TripletMarginWithDistanceOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(TripletMarginWithDistanceLoss)
  std::string extra_repr() const override;
  /// All of the same number of axes. The result has no axes, or the shape of the distances for Reduction::none.
  Tensor forward(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;

 private:
  TripletMarginWithDistanceOptions options_;
};

/// Connectionist temporal classification; see ctc_loss().
class CTCLoss : public detail::LossModule {
 public:
  /// Throws ValueError unless blank >= 0, and for the reduction batchmean.
  explicit CTCLoss(const CtcLossOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(CTCLoss)
  std::string extra_repr() const override;
  /// log_probs: [T, N, C] or [T, C]; targets: int64 [N, S], [sum of target_lengths] or [S]; lengths: int64 [N]. The
  /// result has no axes, or is [N] for Reduction::none and a batch.
  Tensor forward(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                 const Tensor& target_lengths) const;
  Tensor operator()(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                    const Tensor& target_lengths) const;
  /// The same with lengths as numbers: criterion(log_probs, targets, {50, 48}, {12, 9}).
  Tensor forward(const Tensor& log_probs, const Tensor& targets, const std::vector<std::int64_t>& input_lengths,
                 const std::vector<std::int64_t>& target_lengths) const;
  Tensor operator()(const Tensor& log_probs, const Tensor& targets, const std::vector<std::int64_t>& input_lengths,
                    const std::vector<std::int64_t>& target_lengths) const;

 private:
  CtcLossOptions options_;
};

}  // namespace normgrad
