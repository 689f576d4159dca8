// Losses with margins: rankings, embeddings, multi-class hinges. Names, defaults, formulas and reductions are
// PyTorch's. x and the other floating-point inputs have one dtype. See loss.hpp for reductions.
#pragma once

#include <cstdint>
#include <functional>

#include "normgrad/core/ops/loss/loss.hpp"

namespace normgrad {

/// Options of margin_ranking_loss and cosine_embedding_loss.
struct MarginOptions {
  double margin = 0.0;                    ///< the distance that is enough
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};

/// max(0, -target (x1 - x2) + margin): x1 should be larger where the target is 1, smaller where it is -1. All three
/// broadcast.
Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& target, const MarginOptions& options = {});

/// Options of hinge_embedding_loss.
struct HingeEmbeddingOptions {
  double margin = 1.0;                    ///< the distance that is enough
  Reduction reduction = Reduction::mean;  ///< reduction of the element losses
};
/// x where the target is 1, and max(0, margin - x) where it is -1. Of one shape.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, const HingeEmbeddingOptions& options = {});
/// log(1 + exp(-target x)). Of one shape.
Tensor soft_margin_loss(const Tensor& x, const Tensor& target, LossOptions options = {});
/// 1 - cos(x1, x2) where the target is 1, and max(0, cos(x1, x2) - margin) where it is -1, of vectors x1, x2: [N, D]
/// with a target [N], or [D] with a target without axes.
Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& target,
                             const MarginOptions& options = {});

/// Options of multi_margin_loss.
struct MultiMarginOptions {
  double p = 1.0;                         ///< 1 or 2
  double margin = 1.0;                    ///< the distance that is enough
  Tensor weight = {};                     ///< [C]: a weight per class; undefined means ones
  Reduction reduction = Reduction::mean;  ///< reduction of the row losses
};
/// sum over the classes i other than t of weight[t] max(0, margin - x[t] + x[i])^p / C. x: [N, C] or [C]; target: int64
/// classes [N] or no axes. Throws IndexError for a class out of range, ValueError for another p.
Tensor multi_margin_loss(const Tensor& x, const Tensor& target, const MultiMarginOptions& options = {});
/// sum over the target classes t and the other classes i of max(0, 1 - x[t] + x[i]) / C. x: [N, C] or [C]; target:
/// int64 of the same shape, with the classes first, then -1. Throws IndexError for a class out of range.
Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, LossOptions options = {});

/// Options of multilabel_soft_margin_loss.
struct MultilabelSoftMarginOptions {
  Tensor weight = {};                     ///< a weight per class; broadcasts to x; undefined means ones
  Reduction reduction = Reduction::mean;  ///< reduction of the row losses
};
/// The mean over the last axis of the binary cross entropy of the logits x with 0 and 1 as target. Of one shape [*, C].
Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target,
                                   const MultilabelSoftMarginOptions& options = {});

/// Options of triplet_margin_loss.
struct TripletMarginOptions {
  double margin = 1.0;                    ///< > 0: the distance that is enough
  double p = 2.0;                         ///< of the norm
  double eps = 1e-6;                      ///< is added to differences
  bool swap = false;                      ///< take the distance of the positive from the negative, if that is smaller
  Reduction reduction = Reduction::mean;  ///< reduction of the row losses
};
/// max(0, d(anchor, positive) - d(anchor, negative) + margin) with pairwise_distance() as d. All [N, D] or [D].
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options = {});

/// A distance of each row of one tensor from that of another.
using DistanceFunction = std::function<Tensor(const Tensor& a, const Tensor& b)>;

/// Options of triplet_margin_with_distance_loss.
struct TripletMarginWithDistanceOptions {
  DistanceFunction distance_function = {};  ///< by default pairwise_distance()
  double margin = 1.0;                      ///< > 0: the distance that is enough
  bool swap = false;                        ///< take the distance of the positive from the negative, if it is smaller
  Reduction reduction = Reduction::mean;    ///< reduction of the row losses
};
/// triplet_margin_loss() with another distance.
Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceOptions& options = {});

}  // namespace normgrad
