// Mixtures of the images of a batch, for DataLoaderOptions::transform. Labels become probabilities, which
// cross_entropy() accepts.
#pragma once

#include <cstdint>

#include "normgrad/data/dataset.hpp"

namespace normgrad {

class Generator;

/// Zhang et al., "mixup: beyond empirical risk minimization", 2018: inputs w x + (1 - w) x', where x' are those of the
/// batch in a random order and w is drawn from Beta(alpha, alpha), once per batch. Inputs may have any shape [n, ...].
struct Mixup {
  std::int64_t num_classes = 10;  ///< of the labels
  double alpha = 0.2;             ///< above 0: the smaller, the less is mixed
  /// inputs float32 or float64 with int64 labels [n] -> labels [n, num_classes] of the inputs' dtype. Throws ValueError
  /// for options out of range, and IndexError for a label outside [0, num_classes).
  Batch operator()(Batch batch, Generator& generator) const;
};

/// Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features", 2019: a
/// rectangle of another image of the batch replaces that of an image [C, H, W], at one random place per batch. Labels
/// are weighted by area, of which a share drawn from Beta(alpha, alpha) remains, but for the part beyond the border.
struct CutMix {
  std::int64_t num_classes = 10;  ///< of the labels
  double alpha = 1.0;             ///< above 0
  /// As Mixup, for inputs [n, C, H, W]. Throws ShapeError for other shapes.
  Batch operator()(Batch batch, Generator& generator) const;
};

}  // namespace normgrad
