// Positions added to a sequence of features.
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of SinusoidalPositions and LearnedPositions.
struct PositionOptions {
  bool batch_first = false;        ///< [N, L, E] instead of [L, N, E]
  double base = 10000.0;           ///< of the sinusoids; see SinusoidalOptions
  DType dtype = kFloat32;          ///< of the learned weight
  Generator* generator = nullptr;  ///< source of the learned weight's initial values; null: default_generator()
};

/// Adds sinusoidal_positions() to x: [L, N, E], [N, L, E] with batch_first, or [L, E].
class SinusoidalPositions : public Module {
 public:
  /// Throws ValueError for base <= 0.
  explicit SinusoidalPositions(const PositionOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(SinusoidalPositions)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward(x, 0); }
  /// The same for a sequence that begins at position `offset`, for generation. Throws ShapeError unless x has 2 or 3
  /// axes, and ValueError for a negative offset.
  Tensor forward(const Tensor& x, std::int64_t offset);

 private:
  bool batch_first_;
  double base_;
};

/// Adds a learned vector per position to x: [L, N, E], [N, L, E] with batch_first, or [L, E]. Starts normal with
/// standard deviation 0.02. Devlin et al., "BERT", 2019.
class LearnedPositions : public Module {
 public:
  /// Throws ValueError unless both sizes are positive.
  LearnedPositions(std::int64_t max_length, std::int64_t features, const PositionOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(LearnedPositions)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return forward(x, 0); }
  /// The same for a sequence that begins at position `offset`. Throws ShapeError for an x that does not fit, and
  /// ValueError for positions that are negative or beyond max_length.
  Tensor forward(const Tensor& x, std::int64_t offset);

  /// Initializes the weight again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [max_length, features]

 private:
  bool batch_first_;
};

}  // namespace normgrad
