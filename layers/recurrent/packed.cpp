// LSTM, GRU and RNN over packed sequences.
#include <algorithm>

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/dropout.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/recurrent/detail/sequence.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"

namespace normgrad {

namespace {

// Steps that have the same sequences: `count` steps of `batch` rows from `row` on.
struct PackedRun {
  std::int64_t row;
  std::int64_t count;
  std::int64_t batch;
};

std::vector<PackedRun> runs_of(const std::vector<std::int64_t>& batch_sizes) {
  std::vector<PackedRun> runs;
  std::int64_t row = 0;
  for (const std::int64_t size : batch_sizes) {
    if (runs.empty() || runs.back().batch != size) {
      runs.push_back({row, 0, size});
    }
    ++runs.back().count;
    row += size;
  }
  return runs;
}

Tensor rows_between(const Tensor& x, std::int64_t begin, std::int64_t end) { return narrow(x, 0, begin, end - begin); }

// h or c of all sequences while the number of those that run changes, in the packed order.
class RunningState {
 public:
  RunningState(Tensor initial, bool reverse) : initial_(std::move(initial)), reverse_(reverse) {}

  // That of the first `batch` sequences. Forwards, the others have ended; backwards, further ones begin.
  Tensor of(std::int64_t batch) {
    if (!initial_.defined()) {
      return {};
    }
    if (!now_.defined()) {
      now_ = rows_between(initial_, 0, batch);
    } else if (const std::int64_t before = now_.size(0); batch < before) {
      ended_.insert(ended_.begin(), rows_between(now_, batch, before));
      now_ = rows_between(now_, 0, batch);
    } else if (batch > before) {
      now_ = cat({now_, rows_between(initial_, before, batch)}, 0);
    }
    return now_;
  }
  void set(const Tensor& now) { now_ = now; }

  // That of all sequences after their last steps.
  Tensor last() {
    if (!initial_.defined()) {
      return {};
    }
    ended_.insert(ended_.begin(), now_);
    return reverse_ || ended_.size() == 1 ? now_ : cat(ended_, 0);
  }

 private:
  Tensor initial_;
  bool reverse_;
  Tensor now_;
  std::vector<Tensor> ended_;  // the longest first
};

}  // namespace

PackedLSTMResult RecurrentLayer::run_packed(const PackedSequence& sequence, const LSTMState& state) {
  const std::int64_t batch = sequence.batch_size();
  std::int64_t rows = 0;
  for (const std::int64_t size : sequence.batch_sizes) {
    rows += size;
  }
  require<ShapeError>(sequence.data.defined() && sequence.data.shape() == Shape{rows, input_size_} && batch > 0, type_,
                      ": expected a packed sequence with data [", rows, ", ", input_size_, "] but got ",
                      sequence.data.defined() ? to_string(sequence.data.shape()) : "none");
  const bool is_lstm = kind_ == RecurrentKind::lstm;
  const auto in_packed_order = [&](const Tensor& s) { return index_select(s, 1, sequence.sorted_indices); };
  const Tensor h0 = in_packed_order(state_of("h", state.h, sequence.data, batch, output_size()));
  const Tensor c0 = is_lstm ? in_packed_order(state_of("c", state.c, sequence.data, batch, hidden_size_)) : Tensor();
  std::vector<PackedRun> runs = runs_of(sequence.batch_sizes);
  Tensor x = sequence.data;
  std::vector<Tensor> h_n;
  std::vector<Tensor> c_n;
  for (std::size_t i = 0; i < weights.size();) {
    x = i == 0 ? x : dropout(x, options_.dropout, is_training());
    std::vector<Tensor> outputs;
    for (std::int64_t direction = 0; direction < directions(); ++direction, ++i) {
      const RecurrentWeights& w = weights[i];
      const auto at = static_cast<std::int64_t>(i);
      const bool reverse = direction == 1;
      const Tensor gates = linear(x, w.weight_ih, w.bias_ih);
      RunningState h(select(h0, 0, at), reverse);
      RunningState c(is_lstm ? Tensor(select(c0, 0, at)) : Tensor(), reverse);
      std::vector<Tensor> parts(runs.size());
      for (std::size_t k = 0; k < runs.size(); ++k) {
        const std::size_t part = reverse ? runs.size() - 1 - k : k;
        const PackedRun& run = runs[part];
        const Tensor gates_x =
            reshape_to(narrow(gates, 0, run.row, run.count * run.batch), {run.count, run.batch, gates.size(1)});
        const detail::SequenceResult r = detail::recurrent_sequence(
            kind_, reverse, {gates_x, h.of(run.batch), c.of(run.batch), w.weight_hh, w.bias_hh, w.weight_hr});
        parts[part] = reshape_to(r.output, {run.count * run.batch, r.output.size(2)});
        h.set(r.h_n);
        c.set(r.c_n);
      }
      outputs.push_back(parts.size() == 1 ? parts[0] : cat(parts, 0));
      h_n.push_back(h.last());
      c_n.push_back(c.last());
    }
    x = outputs.size() == 1 ? outputs[0] : cat(outputs, -1);
  }
  const auto joined = [&](const std::vector<Tensor>& list) {
    return index_select(stack(list, 0), 1, sequence.unsorted_indices);
  };
  PackedSequence output = sequence;
  output.data = x;
  return {std::move(output), joined(h_n), is_lstm ? joined(c_n) : Tensor()};
}

}  // namespace normgrad
