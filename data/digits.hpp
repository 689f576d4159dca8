// Synthetic handwritten digits, so that everything runs without data files.
#pragma once

#include <cstdint>

#include "normgrad/data/image_dataset.hpp"

namespace normgrad {

/// Options of make_digits().
struct DigitsOptions {
  std::int64_t train = 6000;  ///< number of training images
  std::int64_t test = 1000;   ///< number of further images for testing
  std::uint64_t seed = 0;     ///< determines all images
};

/// Returns images [1, 28, 28] of the digits 0 to 9, white on black. Every digit consists of a few pen strokes with
/// random offsets; it is slanted, rotated, scaled and bent, drawn with a pen of random width and strength, and overlaid
/// with noise. Training and test images differ. The same seed gives the same images on every machine with the same C
/// math library, for any number of threads, and an image does not depend on how many others are drawn. Throws
/// ValueError unless both numbers are between 1 and 2^31.
ImageSplits make_digits(const DigitsOptions& options = {});

}  // namespace normgrad
