// Batches of sequences of different lengths: torch.nn.utils.rnn. Any dtype; differentiable to any order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// The steps of a batch of sequences without padding: first the first step of every sequence, then the second of those
/// that have one, and so on, with the longest sequences first. Made by pack_padded_sequence() or pack_sequence(); LSTM,
/// GRU and RNN take it in place of a padded batch and compute no padding.
struct PackedSequence {
  Tensor data = {};                            ///< [sum of lengths, *]
  std::vector<std::int64_t> batch_sizes = {};  ///< sequences that have the step 0, 1, ...; does not increase
  Tensor sorted_indices = {};                  ///< [N], int64: the place of each packed sequence in the batch
  Tensor unsorted_indices = {};                ///< [N], int64: the inverse permutation

  /// The number of sequences.
  std::int64_t batch_size() const noexcept { return batch_sizes.empty() ? 0 : batch_sizes.front(); }
  /// The length of each sequence, in the order of the batch.
  std::vector<std::int64_t> lengths() const;
};

/// A padded batch and the lengths of its sequences.
struct PaddedSequence {
  Tensor output;   ///< [L, N, *], or [N, L, *] with batch_first
  Tensor lengths;  ///< [N], int64
};

/// Packs the first lengths[n] steps of each sequence of input [L, N, *], or [N, L, *] with batch_first. Throws
/// ValueError unless all lengths are in [1, L] and, with enforce_sorted, do not increase; ShapeError unless there are
/// N.
PackedSequence pack_padded_sequence(const Tensor& input, const std::vector<std::int64_t>& lengths,
                                    bool batch_first = false, bool enforce_sorted = true);
/// The same with the lengths as an int64 tensor [N].
PackedSequence pack_padded_sequence(const Tensor& input, const Tensor& lengths, bool batch_first = false,
                                    bool enforce_sorted = true);
/// Packs sequences [length, *]. Throws as pad_sequence() and pack_padded_sequence().
PackedSequence pack_sequence(const std::vector<Tensor>& sequences, bool enforce_sorted = true);
/// The padded batch of a packed one. L is the largest length, or total_length, for which ValueError is thrown if it is
/// smaller.
PaddedSequence pad_packed_sequence(const PackedSequence& sequence, bool batch_first = false, double padding_value = 0.0,
                                   std::optional<std::int64_t> total_length = {});
/// Sequences [length, *] as [L, N, *], or [N, L, *] with batch_first, where L is the largest length. Throws ShapeError
/// for no sequences and for different other axes.
Tensor pad_sequence(const std::vector<Tensor>& sequences, bool batch_first = false, double padding_value = 0.0);

}  // namespace normgrad
