// What each norm of the registry does, measured on the layer itself: which elements share a statistic, what it leaves
// out of its input, what it costs, and what it does to images.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "normgrad/normgrad.hpp"

namespace atlas {

/// The input of the measurements: [samples, channels, height, width].
inline constexpr std::int64_t kSamples = 2;
inline constexpr std::int64_t kChannels = 4;
inline constexpr std::int64_t kHeight = 3;
inline constexpr std::int64_t kWidth = 3;
/// The element of the output whose inputs are shown: sample 0, channel 1, the center.
inline constexpr std::int64_t kTarget = (0 * kChannels + 1) * kHeight * kWidth + 4;

/// What a change of the input leaves unchanged in the output.
struct Invariances {
  bool shift_of_all = false;       ///< x + c
  bool shift_of_samples = false;   ///< another c for each sample
  bool shift_of_channels = false;  ///< another c for each channel
  bool scale_of_all = false;       ///< s x, s > 0
  bool scale_of_samples = false;   ///< another s for each sample
  bool scale_of_channels = false;  ///< another s for each channel
};

struct Entry {
  std::string name;   ///< in the registry
  std::string layer;  ///< type and arguments of the module
  std::string formula;
  std::string reason;             ///< why it cannot stand here; the rest is then empty
  std::vector<bool> shared;       ///< by element of x: whether a change of it changes the target in training
  std::vector<bool> shared_eval;  ///< the same in evaluation
  Invariances invariances;
  std::int64_t null_directions = 0;  ///< dimension of the Jacobian's null space, of kSamples * ... * kWidth
  double cost = 0.0;                 ///< time of a training forward over that of a copy of the same memory
  std::string images;                ///< the images behind the norm as the URI of a bitmap; "" if it cannot have them
};

/// Measures every norm of the registry. `images` [N, C, H, W], float32, is the batch that is shown.
std::vector<Entry> measure_all(const normgrad::Tensor& images);
/// The batch as the URI of a bitmap of gray images side by side: black is -2.5, white 2.5; of colors, their mean.
std::string bitmap_uri(const normgrad::Tensor& images);

/// The formula of each norm of the registry. Throws ValueError for a norm without one.
std::string formula_of(const std::string& norm);

/// Writes the page; `data` names the images, whose bitmap is `images`.
void write_atlas(const std::vector<Entry>& entries, const std::string& data, const std::string& images,
                 const std::filesystem::path& file);

}  // namespace atlas
