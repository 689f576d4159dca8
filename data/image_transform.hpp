// Image augmentation for DataLoaderOptions::transform, with torchvision's names.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/data/dataset.hpp"

namespace normgrad {

class Generator;

/// Maps images [n, C, H, W] (float32 or float64) to new ones, drawing from `generator` image by image. The transforms
/// below throw ShapeError for tensors of other ranks.
using ImageTransform = std::function<Tensor(const Tensor& images, Generator& generator)>;

/// Shifts every image by up to `max_shift` pixels vertically and horizontally. Pixels that enter are `fill`.
struct RandomShift {
  std::int64_t max_shift = 2;                                           ///< pixels in each direction
  double fill = 0.0;                                                    ///< value of pixels that enter
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Flips each image left to right with probability p.
struct RandomHorizontalFlip {
  double p = 0.5;                                                       ///< the probability
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Flips each image top to bottom with probability p.
struct RandomVerticalFlip {
  double p = 0.5;                                                       ///< the probability
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Crops a random height x width window from every image, after padding it with `padding` pixels of `fill` on each
/// side. Throws ShapeError if the window is larger than the padded image.
struct RandomCrop {
  std::int64_t height = 0;                                              ///< of the window
  std::int64_t width = 0;                                               ///< of the window
  std::int64_t padding = 0;                                             ///< pixels on each side
  double fill = 0.0;                                                    ///< value of the padding
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Replaces a random rectangle of each image by `value`, with probability p (Zhong et al., "Random erasing data
/// augmentation", 2020; torchvision.transforms.RandomErasing). Images in which no rectangle fits after 10 draws stay.
struct RandomErasing {
  double p = 0.5;                                                       ///< the probability
  std::array<double, 2> scale = {0.02, 0.33};                           ///< range of its share of the image's area
  std::array<double, 2> ratio = {0.3, 3.3};                             ///< range of its height / width
  double value = 0.0;                                                   ///< of the erased pixels
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Turns, shifts, scales and shears each image at random about its center: torchvision.transforms.RandomAffine. The
/// places of the pixels of the result are taken from the image; `fill` lies outside of it.
struct RandomAffine {
  std::array<double, 2> degrees = {0.0, 0.0};          ///< range of the angle, clockwise
  std::array<double, 2> translate = {0.0, 0.0};        ///< largest shifts, as shares of width and height; whole pixels
  std::array<double, 2> scale = {1.0, 1.0};            ///< range of the factor of the size
  std::array<double, 4> shear = {0.0, 0.0, 0.0, 0.0};  ///< ranges of the angles along x and along y, in degrees
  std::string interpolation = "nearest";               ///< "nearest" or "bilinear"
  double fill = 0.0;                                   ///< value of pixels outside of the image
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Changes brightness, contrast and saturation of each image, in this order, by random factors from
/// [max(0, 1 - v), 1 + v]: times a factor, from the mean gray of the image, and from the gray of each pixel. For images
/// in [0, 1], to which the results are clamped. Images of other than 3 channels have no saturation.
struct ColorJitter {
  double brightness = 0.0;                                              ///< v of the brightness, at least 0
  double contrast = 0.0;                                                ///< v of the contrast
  double saturation = 0.0;                                              ///< v of the saturation
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Computes (x - mean[c]) / std[c] for channel c. Throws ShapeError unless there are as many values as channels, and
/// ValueError unless every std is positive.
struct Normalize {
  std::vector<double> mean;                                             ///< of each channel
  std::vector<double> std;                                              ///< of each channel
  Tensor operator()(const Tensor& images, Generator& generator) const;  ///< an ImageTransform
};

/// Applies the transforms to the inputs of a batch, one after another:
///
///   DataLoader batches(train, {.batch_size = 64, .shuffle = true,
///                              .transform = compose({RandomShift{2}, RandomHorizontalFlip{}})});
std::function<Batch(Batch batch, Generator& generator)> compose(std::vector<ImageTransform> transforms);

/// Applies transforms to the images of a batch and to its masks: labels [n, H, W] or [n, C, H, W] of any dtype. The
/// i-th transforms of both lists make the same draws, so that image and mask move together; a null one leaves the masks
/// as they are. Masks of integers are computed in float64 and converted back: use the nearest pixel, not bilinear ones.
///
///   compose({RandomCrop{32, 32, 4}, RandomHorizontalFlip{}, ColorJitter{.brightness = 0.2}},
///           {RandomCrop{32, 32, 4, /*fill=*/255}, RandomHorizontalFlip{}, nullptr})
///
/// Throws ValueError unless the lists have the same length. The transform throws ShapeError unless images and masks
/// have the same number, height and width.
std::function<Batch(Batch batch, Generator& generator)> compose(std::vector<ImageTransform> of_images,
                                                                std::vector<ImageTransform> of_masks);

}  // namespace normgrad
