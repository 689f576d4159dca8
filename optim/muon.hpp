// Muon: steps along the nearest orthogonal matrix to a momentum, for the weight matrices of hidden layers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "normgrad/optim/optimizer.hpp"

namespace normgrad {

/// Options of Muon; names and defaults are PyTorch's, but for `match_rms_adamw`.
struct MuonOptions {
  double lr = 1e-3;           ///< learning rate
  double weight_decay = 0.1;  ///< subtracts lr * weight_decay * parameter
  double momentum = 0.95;     ///< weight of the old value in the mean of the gradients
  bool nesterov = true;       ///< Nesterov momentum
  std::array<double, 3> ns_coefficients = {3.4445, -4.7750, 2.0315};  ///< of the Newton-Schulz iteration
  double eps = 1e-7;                                                  ///< least norm by which a matrix is divided
  std::int64_t ns_steps = 5;                                          ///< Newton-Schulz iterations
  /// Scale steps to the size of AdamW's, 0.2 sqrt(max(n, m)), so that its lr fits (Liu et al., "Muon is scalable for
  /// LLM training", 2025), instead of by sqrt(max(1, n / m)); PyTorch's adjust_lr_fn="match_rms_adamw".
  bool match_rms_adamw = false;
  bool maximize = false;  ///< maximize the objective instead
};

/// torch.optim.Muon (PyTorch 2.9; Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024), for
/// parameters [n, m]: b = momentum b + (1 - momentum) g; u = b, or with Nesterov momentum b + (1 - momentum) g;
/// X = u / |u|, then `ns_steps` times A = X X^T, X = a X + (b A + c A A) X, which moves all singular values towards 1;
/// p -= lr weight_decay p; p -= lr sqrt(max(1, n / m)) X. The iteration runs in the dtype of the parameter, while
/// PyTorch rounds it to bfloat16.
///
/// Give embeddings, the last layer, biases and the parameters of norms to another optimizer, such as AdamW.
class Muon final : public OptimizerOf<MuonOptions> {
 public:
  /// Throws ValueError for options out of range and for parameters that are no matrices.
  explicit Muon(ParameterList params, MuonOptions options = {});
  explicit Muon(std::vector<ParamGroup<MuonOptions>> groups);
  const char* type_name() const noexcept override { return "Muon"; }

 protected:
  std::vector<Option> options_of(std::size_t group) override;
  void check_options(std::size_t group) const override;
  std::span<const char* const> slot_names() const override;
  SlotStarts slots_in_use(std::size_t group) const override;
  void update(std::size_t group, Tensor& param, const Tensor& grad, ParamState& state) override;
};

}  // namespace normgrad
