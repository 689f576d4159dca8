// Handwritten-looking digits, drawn here, so that everything runs with no data files at all.
#pragma once

#include <cstdint>

#include "normgrad/data/image_dataset.hpp"

namespace normgrad {

/// Options of make_digits().
struct DigitsOptions {
  std::int64_t train = 6000;  ///< images to train with
  std::int64_t test = 1000;   ///< further ones
  std::uint64_t seed = 0;     ///< all images depend on it alone
};

/// Images [1, 28, 28] of the digits 0 to 9 in white on black. Every digit is a few pen strokes whose points are moved
/// at random, slanted, turned, scaled, bent and drawn with a pen of random width and strength, and sprinkled with
/// noise. Training and test images are different ones. The same seed draws the same images on every machine with the
/// same C mathematics library, whatever the number of threads; an image does not depend on how many others are drawn.
ImageSplits make_digits(const DigitsOptions& options = {});

}  // namespace normgrad
