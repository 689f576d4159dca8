// CIFAR-10 and CIFAR-100 in their binary form: https://www.cs.toronto.edu/~kriz/cifar.html.
//
// A file is a sequence of records: one byte for the label (CIFAR-100: two, coarse and fine), then 3072 for the image,
// as [3, 32, 32].
#pragma once

#include "normgrad/core/base/file_path.hpp"
#include "normgrad/data/image_dataset.hpp"

namespace normgrad {

/// Options of read_cifar100().
struct Cifar100Options {
  bool coarse = false;  ///< the labels of the 20 groups of classes instead of those of the 100 classes
};

/// Reads data_batch_1.bin to data_batch_5.bin and test_batch.bin: images [3, 32, 32] of 10 classes. Files with fewer
/// images than the published ones are accepted. Throws IoError, naming the file, if one cannot be read, is empty or
/// ends within an image, and, naming the image, for a label that is too large.
ImageSplits read_cifar10(const FilePath& folder);

/// The same for train.bin and test.bin with 100 classes.
ImageSplits read_cifar100(const FilePath& folder, Cifar100Options options = {});

}  // namespace normgrad
