// Packed sequences, and recurrent layers over them.
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/sequence_cases.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"
#include "normgrad/layers/recurrent/packed_sequence.hpp"
#include "normgrad/layers/recurrent/recurrent.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using tests::error_of;
using tests::expect_as_torch;
using tests::random_tensor;
using List = std::vector<std::int64_t>;
using Tensors = std::vector<Tensor>;

Tensor padded(const PackedSequence& sequence, bool batch_first) {
  return pad_packed_sequence(sequence, batch_first).output;
}

TEST(PackedSequenceTest, LayersAreTorchs) {
  const List lengths{2, 5, 4, 2};
  LSTM lstm(3, 4, {.num_layers = 2, .bidirectional = true, .dtype = kFloat64});
  expect_as_torch("packed_lstm", lstm, [&](const Tensors& in) {
    const PackedLSTMResult r = lstm(pack_padded_sequence(in[0], lengths, false, false), {in[1], in[2]});
    return Tensors{padded(r.output, false), r.h_n, r.c_n};
  });
  LSTM projected(3, 4, {.batch_first = true, .bidirectional = true, .proj_size = 2, .dtype = kFloat64});
  expect_as_torch("packed_lstm_proj", projected, [&](const Tensors& in) {
    const PackedLSTMResult r = projected(pack_padded_sequence(in[0], lengths, true, false));
    return Tensors{padded(r.output, true), r.h_n, r.c_n};
  });
  GRU gru(3, 4, {.num_layers = 2, .bidirectional = true, .dtype = kFloat64});
  expect_as_torch("packed_gru", gru, [&](const Tensors& in) {
    const PackedRecurrentResult r = gru(pack_padded_sequence(in[0], lengths, false, false), in[1]);
    return Tensors{padded(r.output, false), r.h_n};
  });
  RNN rnn(3, 4, {.batch_first = true, .dtype = kFloat64});
  expect_as_torch("packed_rnn", rnn, [&](const Tensors& in) {
    const PackedRecurrentResult r = rnn(pack_padded_sequence(in[0], lengths, true, false));
    return Tensors{padded(r.output, true), r.h_n};
  });
}

TEST(PackedSequenceTest, EachSequenceIsComputedAsIfAlone) {
  LSTM lstm(3, 5, {.num_layers = 2, .bidirectional = true});
  const List lengths{7, 1, 4, 4, 6};
  std::vector<Tensor> sequences;
  for (std::size_t n = 0; n < lengths.size(); ++n) {
    sequences.push_back(random_tensor({lengths[n], 3}, kFloat32, static_cast<std::uint32_t>(n)));
  }
  const PackedLSTMResult r = lstm(pack_sequence(sequences, false));
  EXPECT_EQ(r.output.lengths(), lengths);
  const Tensor output = padded(r.output, true);
  for (std::size_t n = 0; n < lengths.size(); ++n) {
    const auto at = static_cast<std::int64_t>(n);
    const LSTMResult alone = lstm(sequences[n]);
    const auto expect_near = [](const Tensor& a, const Tensor& b) {
      const auto got = a.to_vector<double>();
      const auto wanted = b.to_vector<double>();
      ASSERT_EQ(got.size(), wanted.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], wanted[i], 1e-6);  // tol: float32 numbers below 1, products in another order
      }
    };
    expect_near(narrow(output[at], 0, 0, lengths[n]), alone.output);
    expect_near(select(r.h_n, 1, at), alone.h_n);
    expect_near(select(r.c_n, 1, at), alone.c_n);
  }
}

TEST(PackedSequenceTest, PacksAndPads) {
  const Tensor x = tensor({{1.0, 2, 3}, {4, 0, 0}, {5, 6, 0}});
  const PackedSequence packed = pack_padded_sequence(x, List{3, 1, 2}, true, false);
  EXPECT_EQ(packed.data.to_vector<double>(), (std::vector<double>{1, 5, 4, 2, 6, 3}));
  EXPECT_EQ(packed.batch_sizes, (List{3, 2, 1}));
  EXPECT_EQ(packed.sorted_indices.to_vector<std::int64_t>(), (List{0, 2, 1}));
  EXPECT_EQ(packed.unsorted_indices.to_vector<std::int64_t>(), (List{0, 2, 1}));
  EXPECT_EQ(pad_packed_sequence(packed, true).output.to_vector<double>(), x.to_vector<double>());
  EXPECT_EQ(pad_packed_sequence(packed).output.to_vector<double>(), transpose(x, 0, 1).to_vector<double>());
  EXPECT_EQ(pad_packed_sequence(packed).lengths.to_vector<std::int64_t>(), (List{3, 1, 2}));
  EXPECT_EQ(pad_packed_sequence(packed, true, -1, 4).output.to_vector<double>(),
            (std::vector<double>{1, 2, 3, -1, 4, -1, -1, -1, 5, 6, -1, -1}));
  const Tensor tokens = pad_sequence({arange(2), arange(3)}, true, 9);
  EXPECT_EQ(tokens.dtype(), kInt64);
  EXPECT_EQ(tokens.to_vector<std::int64_t>(), (List{0, 1, 9, 0, 1, 2}));
  EXPECT_EQ(pack_sequence({arange(3), arange(2)}).data.to_vector<std::int64_t>(), (List{0, 0, 1, 1, 2}));
  const Tensor y = random_tensor({3, 3, 2}, kFloat64, 4).requires_grad_();
  EXPECT_TRUE(tests::gradients_agree(
      [](const Tensors& in) {
        return pad_packed_sequence(pack_padded_sequence(in[0] * in[0], List{2, 3, 1}, true, false)).output;
      },
      {y}));
}

TEST(PackedSequenceTest, BitsDoNotDependOnThreads) {
  LSTM lstm(20, 70, {.bidirectional = true});
  const PackedSequence x = pack_padded_sequence(random_tensor({9, 40, 20}, kFloat32, 2), List([] {
                                                  List lengths;
                                                  for (std::int64_t n = 0; n < 40; ++n) {
                                                    lengths.push_back(1 + n % 9);
                                                  }
                                                  return lengths;
                                                }()),
                                                false, false);
  const int before = get_num_threads();
  set_num_threads(1);
  const auto one = lstm(x).output.data.to_vector<float>();
  set_num_threads(4);
  const auto four = lstm(x).output.data.to_vector<float>();
  set_num_threads(before);
  EXPECT_EQ(one, four);
}

TEST(PackedSequenceTest, RefusesWhatDoesNotFit) {
  const Tensor x = zeros({3, 2, 4});
  EXPECT_EQ(error_of<ValueError>([&] {
              pack_padded_sequence(x, List{2, 3});
            }),
            "pack_padded_sequence: expected lengths that do not increase; or pass enforce_sorted = false");
  EXPECT_EQ(error_of<ValueError>([&] {
              pack_padded_sequence(x, List{3, 0});
            }),
            "pack_padded_sequence: expected lengths in [1, 3] but got 0");
  EXPECT_EQ(error_of<ValueError>([&] {
              pack_padded_sequence(x, List{4, 1});
            }),
            "pack_padded_sequence: expected lengths in [1, 3] but got 4");
  EXPECT_EQ(error_of<ShapeError>([&] { pack_padded_sequence(x, List{3}); }),
            "pack_padded_sequence: expected 2 lengths for an input of [3, 2, 4] but got 1");
  EXPECT_EQ(error_of<ShapeError>([&] { pack_padded_sequence(zeros({3}), List{3}); }),
            "pack_padded_sequence: expected an input [L, N, *] but got [3]");
  EXPECT_EQ(error_of<DTypeError>([&] { pack_padded_sequence(x, ones({2})); }),
            "pack_padded_sequence: expected int64 lengths but got float32");
  EXPECT_EQ(error_of<ValueError>([&] {
              pad_packed_sequence(pack_padded_sequence(x, List{3, 1}), false, 0.0, 2);
            }),
            "pad_packed_sequence: expected a total_length of at least 3, the largest length, but got 2");
  EXPECT_EQ(error_of<ShapeError>([&] { pad_sequence({}); }),
            "pad_sequence: expected at least one sequence but got none");
  EXPECT_EQ(error_of<ShapeError>([&] {
              pad_sequence({zeros({2, 3}), zeros({2, 4})});
            }),
            "pad_sequence: expected sequences [length, *] that differ in length only but got [2, 3] and [2, 4]");
  LSTM lstm(5, 2);
  EXPECT_EQ(error_of<ShapeError>([&] {
              lstm(pack_padded_sequence(x, List{3, 1}));
            }),
            "LSTM: expected a packed sequence with data [4, 5] but got [4, 4]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              LSTM(4, 2)(pack_padded_sequence(x, List{3, 1}), {zeros({1, 3, 2}), zeros({1, 2, 2})});
            }),
            "LSTM: expected an initial h [1, 2, 2] but got [1, 3, 2]");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
