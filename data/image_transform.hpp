// Augmentation of images, for DataLoaderOptions::transform, under the names of torchvision.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/data/dataset.hpp"

namespace normgrad {

class Generator;

/// Turns images [n, C, H, W] (float32 or float64) into new ones, drawing from `generator`, image after image. Those
/// here throw ShapeError for tensors of other ranks.
using ImageTransform = std::function<Tensor(const Tensor& images, Generator& generator)>;

/// Moves every image by up to `max_shift` pixels up or down and left or right; what comes in from outside is `fill`.
struct RandomShift {
  std::int64_t max_shift = 2;                                           ///< pixels, each way
  double fill = 0.0;                                                    ///< the value of new pixels
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Mirrors each image, left and right exchanged, with probability p.
struct RandomHorizontalFlip {
  double p = 0.5;                                                       ///< the probability
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Mirrors each image, top and bottom exchanged, with probability p.
struct RandomVerticalFlip {
  double p = 0.5;                                                       ///< the probability
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Cuts a window of height x width out of every image, at a random place; `padding` pixels of `fill` are put around the
/// image first. Throws ShapeError when the window is larger than the padded image.
struct RandomCrop {
  std::int64_t height = 0;                                              ///< of the window
  std::int64_t width = 0;                                               ///< of the window
  std::int64_t padding = 0;                                             ///< pixels on each side
  double fill = 0.0;                                                    ///< their value
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// (x - mean[c]) / std[c] for channel c. Throws ShapeError unless there are as many numbers as channels, ValueError for
/// a std that is not above 0.
struct Normalize {
  std::vector<double> mean;                                             ///< of each channel
  std::vector<double> std;                                              ///< of each channel
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Applies the transforms to the inputs of a batch, one after the other:
///
///   DataLoader batches(train, {.batch_size = 64, .shuffle = true,
///                              .transform = compose({RandomShift{2}, RandomHorizontalFlip{}})});
std::function<Batch(Batch batch, Generator& generator)> compose(std::vector<ImageTransform> transforms);

}  // namespace normgrad
