#include "normgrad/data/metrics.hpp"

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

}  // namespace normgrad
