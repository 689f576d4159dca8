// Images in PNG and JPEG files.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/file_path.hpp"

namespace normgrad {

/// Reads a PNG or JPEG file, recognized by its contents: float32 [channels, H, W] in [0, 1]. `channels` is 3 (RGB) or 1
/// (gray); images of the other kind are converted, and transparent ones are laid on black. Throws ValueError for
/// another number, and IoError, naming the file, if it cannot be read, is neither PNG nor JPEG, is damaged or
/// truncated, or has more than 2^28 values.
Tensor read_image(const FilePath& file, std::int64_t channels = 3);

/// Writes an image [C, H, W], with 1 or 3 channels, as PNG with 8 bits per value: those of uint8, or numbers in [0, 1],
/// others being clamped. Throws ShapeError or DTypeError for other tensors, and IoError, naming the file, if it cannot
/// be written.
void write_png(const FilePath& file, const Tensor& image);

/// Lays out images [n, C, H, W] in rows of `columns`, with `padding` black pixels between them: [C, rows, width], for
/// write_png(). torchvision.utils.make_grid. Throws ShapeError for other shapes, and ValueError for columns < 1 or
/// padding < 0.
Tensor make_grid(const Tensor& images, std::int64_t columns = 8, std::int64_t padding = 2);

}  // namespace normgrad
