#include "normgrad/data/metrics.hpp"

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"

namespace normgrad {

std::int64_t count_correct(const Tensor& scores, const Tensor& labels) {
  require<ShapeError>(scores.dim() == 2 && scores.size(1) > 0 && labels.shape() == Shape({scores.size(0)}),
                      "accuracy: expected scores [N, C] and labels [N] but got ", scores.shape(), " and ",
                      labels.shape());
  require<DTypeError>(labels.dtype() == kInt64, "accuracy: expected int64 labels but got ", labels.dtype());
  const std::int64_t rows = scores.size(0);
  if (rows == 0) {
    return 0;
  }
  const Tensor guesses = argmax(scores.detach(), 1);
  const std::int64_t* guess = guesses.data<std::int64_t>();
  const std::int64_t* label = labels.data<std::int64_t>();
  return dispatch_all(scores.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* score = scores.data<T>();
    std::int64_t correct = 0;
    for (std::int64_t i = 0; i < rows; ++i, score += scores.size(1)) {
      // argmax() treats NaN as the largest element, so a row that contains one has it at its guess.
      correct += guess[i] == label[i] && score[guess[i]] == score[guess[i]] ? 1 : 0;
    }
    return correct;
  });
}

double accuracy(const Tensor& scores, const Tensor& labels) {
  const std::int64_t correct = count_correct(scores, labels);
  require<ShapeError>(labels.numel() > 0, "accuracy: expected at least one row of scores but got ", scores.shape());
  return static_cast<double>(correct) / static_cast<double>(labels.numel());
}

Tensor confusion_matrix(const Tensor& scores, const Tensor& labels) {
  Shape places = scores.shape();
  if (scores.dim() >= 2) {
    places.erase(1);
  }
  require<ShapeError>(scores.dim() >= 2 && scores.size(1) > 0 && labels.shape() == places,
                      "confusion_matrix: expected scores [N, C, ...] and labels [N, ...] but got ", scores.shape(),
                      " and ", labels.shape());
  require<DTypeError>(labels.dtype() == kInt64, "confusion_matrix: expected int64 labels but got ", labels.dtype());
  const std::int64_t classes = scores.size(1);
  Tensor counts = zeros({classes, classes}, {.dtype = kInt64});
  if (labels.numel() == 0) {
    return counts;
  }
  const Tensor guesses = argmax(scores.detach(), 1);
  const std::int64_t* guess = guesses.data<std::int64_t>();
  const std::int64_t* label = labels.data<std::int64_t>();
  std::int64_t* count = counts.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    require<IndexError>(label[i] >= 0 && label[i] < classes, "confusion_matrix: expected labels in [0, ", classes,
                        ") but got ", label[i], " at position ", i);
    ++count[label[i] * classes + guess[i]];
  }
  return counts;
}

Tensor intersection_over_union(const Tensor& confusion) {
  require<ShapeError>(confusion.dim() == 2 && confusion.size(0) == confusion.size(1),
                      "intersection_over_union: expected a confusion matrix [C, C] but got ", confusion.shape());
  require<DTypeError>(confusion.dtype() == kInt64, "intersection_over_union: expected int64 counts but got ",
                      confusion.dtype());
  const std::int64_t classes = confusion.size(0);
  const std::int64_t* count = confusion.data<std::int64_t>();
  Tensor result = Tensor::empty({classes}, kFloat64);
  double* y = result.mutable_data<double>();
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::int64_t both = count[c * classes + c];
    std::int64_t either = -both;
    for (std::int64_t other = 0; other < classes; ++other) {
      either += count[c * classes + other] + count[other * classes + c];
    }
    y[c] = static_cast<double>(both) / static_cast<double>(either);  // 0 / 0 is NaN
  }
  return result;
}

}  // namespace normgrad
