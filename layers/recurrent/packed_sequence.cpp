#include "normgrad/layers/recurrent/packed_sequence.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

Tensor index_tensor_of(const std::vector<std::int64_t>& values) {
  return from_vector(values, {static_cast<std::int64_t>(values.size())});
}

// x [rows, *] and a last row of `value`.
Tensor with_padding_row(const Tensor& x, double value) {
  Shape row = x.shape();
  row[0] = 1;
  return cat({x, full(row, is_floating_point(x.dtype()) ? Scalar(value) : Scalar(static_cast<std::int64_t>(value)),
                      {.dtype = x.dtype()})},
             0);
}

// The first two axes as one.
Tensor steps_as_rows(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(0);
  shape[0] = x.size(0) * x.size(1);
  return reshape_to(x, shape);
}

// Rows [outer * inner, *] as [outer, inner, *].
Tensor rows_as_steps(const Tensor& x, std::int64_t outer, std::int64_t inner) {
  Shape shape = x.shape();
  shape[0] = outer;
  shape.insert(1, inner);
  return reshape_to(x, shape);
}

}  // namespace

std::vector<std::int64_t> PackedSequence::lengths() const {
  std::vector<std::int64_t> result(static_cast<std::size_t>(batch_size()));
  const auto place = sorted_indices.to_vector<std::int64_t>();
  for (const std::int64_t size : batch_sizes) {
    for (std::int64_t i = 0; i < size; ++i) {
      ++result[static_cast<std::size_t>(place[static_cast<std::size_t>(i)])];
    }
  }
  return result;
}

PackedSequence pack_padded_sequence(const Tensor& input, const std::vector<std::int64_t>& lengths, bool batch_first,
                                    bool enforce_sorted) {
  const char* const name = "pack_padded_sequence";
  require<ShapeError>(input.dim() >= 2, name, ": expected an input ", batch_first ? "[N, L, *]" : "[L, N, *]",
                      " but got ", input.shape());
  const std::int64_t steps = input.size(batch_first ? 1 : 0);
  const std::int64_t batch = input.size(batch_first ? 0 : 1);
  require<ShapeError>(batch > 0 && static_cast<std::int64_t>(lengths.size()) == batch, name, ": expected ", batch,
                      " lengths for an input of ", input.shape(), " but got ", lengths.size());
  for (const std::int64_t length : lengths) {
    require<ValueError>(length >= 1 && length <= steps, name, ": expected lengths in [1, ", steps, "] but got ",
                        length);
  }
  require<ValueError>(!enforce_sorted || std::is_sorted(lengths.rbegin(), lengths.rend()), name,
                      ": expected lengths that do not increase; or pass enforce_sorted = false");
  std::vector<std::int64_t> place(lengths.size());
  std::iota(place.begin(), place.end(), 0);
  std::stable_sort(place.begin(), place.end(), [&](std::int64_t a, std::int64_t b) {
    return lengths[static_cast<std::size_t>(a)] > lengths[static_cast<std::size_t>(b)];
  });
  std::vector<std::int64_t> inverse(place.size());
  for (std::size_t i = 0; i < place.size(); ++i) {
    inverse[static_cast<std::size_t>(place[i])] = static_cast<std::int64_t>(i);
  }
  PackedSequence packed{.sorted_indices = index_tensor_of(place), .unsorted_indices = index_tensor_of(inverse)};
  std::vector<std::int64_t> rows;
  for (std::int64_t t = 0; t < *std::max_element(lengths.begin(), lengths.end()); ++t) {
    std::int64_t size = 0;
    for (const std::int64_t n : place) {
      if (lengths[static_cast<std::size_t>(n)] > t) {
        rows.push_back(batch_first ? n * steps + t : t * batch + n);
        ++size;
      }
    }
    packed.batch_sizes.push_back(size);
  }
  packed.data = index_select(steps_as_rows(input), 0, index_tensor_of(rows));
  return packed;
}

PackedSequence pack_padded_sequence(const Tensor& input, const Tensor& lengths, bool batch_first, bool enforce_sorted) {
  require<DTypeError>(lengths.dtype() == kInt64, "pack_padded_sequence: expected int64 lengths but got ",
                      lengths.dtype());
  return pack_padded_sequence(input, lengths.to_vector<std::int64_t>(), batch_first, enforce_sorted);
}

PackedSequence pack_sequence(const std::vector<Tensor>& sequences, bool enforce_sorted) {
  const Tensor padded = pad_sequence(sequences);
  std::vector<std::int64_t> lengths;
  for (const Tensor& sequence : sequences) {
    lengths.push_back(sequence.size(0));
  }
  return pack_padded_sequence(padded, lengths, false, enforce_sorted);
}

PaddedSequence pad_packed_sequence(const PackedSequence& sequence, bool batch_first, double padding_value,
                                   std::optional<std::int64_t> total_length) {
  const auto longest = static_cast<std::int64_t>(sequence.batch_sizes.size());
  const std::int64_t steps = total_length.value_or(longest);
  require<ValueError>(steps >= longest, "pad_packed_sequence: expected a total_length of at least ", longest,
                      ", the largest length, but got ", steps);
  const std::int64_t batch = sequence.batch_size();
  const auto place = sequence.sorted_indices.to_vector<std::int64_t>();
  std::vector<std::int64_t> rows(static_cast<std::size_t>(steps * batch), sequence.data.size(0));  // the padding row
  std::int64_t row = 0;
  for (std::int64_t t = 0; t < longest; ++t) {
    for (std::int64_t i = 0; i < sequence.batch_sizes[static_cast<std::size_t>(t)]; ++i) {
      const std::int64_t n = place[static_cast<std::size_t>(i)];
      rows[static_cast<std::size_t>(batch_first ? n * steps + t : t * batch + n)] = row++;
    }
  }
  const Tensor all = index_select(with_padding_row(sequence.data, padding_value), 0, index_tensor_of(rows));
  return {batch_first ? rows_as_steps(all, batch, steps) : rows_as_steps(all, steps, batch),
          index_tensor_of(sequence.lengths())};
}

Tensor pad_sequence(const std::vector<Tensor>& sequences, bool batch_first, double padding_value) {
  require<ShapeError>(!sequences.empty(), "pad_sequence: expected at least one sequence but got none");
  const auto rest = [](const Tensor& x) { return Shape(std::span(x.shape().begin() + 1, x.shape().end())); };
  std::int64_t steps = 0;
  for (const Tensor& x : sequences) {
    require<ShapeError>(x.dim() >= 1 && rest(x) == rest(sequences[0]),
                        "pad_sequence: expected sequences [length, *] that differ in length only but got ",
                        sequences[0].shape(), " and ", x.shape());
    steps = std::max(steps, x.size(0));
  }
  const auto batch = static_cast<std::int64_t>(sequences.size());
  const Tensor joined = with_padding_row(cat(sequences, 0), padding_value);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(steps * batch), joined.size(0) - 1);
  std::int64_t row = 0;
  for (std::int64_t n = 0; n < batch; ++n) {
    for (std::int64_t t = 0; t < sequences[static_cast<std::size_t>(n)].size(0); ++t) {
      rows[static_cast<std::size_t>(batch_first ? n * steps + t : t * batch + n)] = row++;
    }
  }
  const Tensor all = index_select(joined, 0, index_tensor_of(rows));
  return batch_first ? rows_as_steps(all, batch, steps) : rows_as_steps(all, steps, batch);
}

}  // namespace normgrad
