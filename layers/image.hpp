// Layers of the operations on images; see core/ops/image/image.hpp for shapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// interpolate() as a layer: Upsample({.scale_factor = 2, .mode = "bilinear"}).
class Upsample : public Module {
 public:
  /// Throws ValueError unless exactly one of size and scale_factor is given. Other options are checked with the input.
  explicit Upsample(const InterpolateOptions& options);
  NORMGRAD_DECLARE_MEMBERS(Upsample)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  InterpolateOptions options_;
};

/// [*, C r^2, H, W] -> [*, C, H r, W r].
class PixelShuffle : public Module {
 public:
  /// Throws ValueError for a factor below 1.
  explicit PixelShuffle(std::int64_t upscale_factor);
  NORMGRAD_DECLARE_MEMBERS(PixelShuffle)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t upscale_factor_;
};

/// [*, C, H r, W r] -> [*, C r^2, H, W].
class PixelUnshuffle : public Module {
 public:
  /// Throws ValueError for a factor below 1.
  explicit PixelUnshuffle(std::int64_t downscale_factor);
  NORMGRAD_DECLARE_MEMBERS(PixelUnshuffle)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  std::int64_t downscale_factor_;
};

/// The windows of images as columns: [N, C, H, W] -> [N, C kh kw, L].
class Unfold : public Module {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit Unfold(const PerAxis& kernel_size, const UnfoldOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(Unfold)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  PerAxis kernel_size_;
  UnfoldOptions options_;
};

/// The sum of columns as images: [N, C kh kw, L] -> [N, C, H, W].
class Fold : public Module {
 public:
  /// Throws ValueError for sizes that are not positive.
  Fold(const PerAxis& output_size, const PerAxis& kernel_size, const UnfoldOptions& options = {});
  NORMGRAD_DECLARE_MEMBERS(Fold)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  PerAxis output_size_;
  PerAxis kernel_size_;
  UnfoldOptions options_;
};

/// Padding of the last axes: one number for both ends of each, or pairs (before, after), starting with the last axis.
class PadSizes {
 public:
  /// The same number everywhere, or a list of pairs.
  PadSizes(int size) : numbers_{size} {}                                          // NOLINT(google-explicit-constructor)
  PadSizes(std::int64_t size) : numbers_{size} {}                                 // NOLINT(google-explicit-constructor)
  PadSizes(std::initializer_list<std::int64_t> pairs) : numbers_(pairs) {}        // NOLINT(google-explicit-constructor)
  const std::vector<std::int64_t>& numbers() const noexcept { return numbers_; }  ///< as given

 private:
  std::vector<std::int64_t> numbers_;
};

namespace detail {

/// Base of the padding layers.
class PadLayer : public Module {
 public:
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 protected:
  /// Throws ShapeError unless there is one number or a pair for each of the `axes`. `stem` is the name without axes.
  PadLayer(const char* stem, std::size_t axes, const PadSizes& padding, const char* mode, double value = 0.0);

 private:
  std::vector<std::int64_t> padding_;  // pairs
  const char* mode_;
  double value_;
  std::size_t axes_;
};

}  // namespace detail

/// x reflected at its edges, which are not repeated.
template <std::size_t axes>
class ReflectionPad : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or a pair for each axis.
  explicit ReflectionPad(const PadSizes& padding) : PadLayer("ReflectionPad", axes, padding, "reflect") {}
  NORMGRAD_DECLARE_MEMBERS(ReflectionPad)
};
using ReflectionPad1d = ReflectionPad<1>;  ///< x: [N, C, L] or [C, L]
using ReflectionPad2d = ReflectionPad<2>;  ///< x: [N, C, H, W] or [C, H, W]
using ReflectionPad3d = ReflectionPad<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// x with its edges repeated.
template <std::size_t axes>
class ReplicationPad : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or a pair for each axis.
  explicit ReplicationPad(const PadSizes& padding) : PadLayer("ReplicationPad", axes, padding, "replicate") {}
  NORMGRAD_DECLARE_MEMBERS(ReplicationPad)
};
using ReplicationPad1d = ReplicationPad<1>;  ///< x: [N, C, L] or [C, L]
using ReplicationPad2d = ReplicationPad<2>;  ///< x: [N, C, H, W] or [C, H, W]
using ReplicationPad3d = ReplicationPad<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// x continued from the other end.
template <std::size_t axes>
class CircularPad : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or a pair for each axis.
  explicit CircularPad(const PadSizes& padding) : PadLayer("CircularPad", axes, padding, "circular") {}
  NORMGRAD_DECLARE_MEMBERS(CircularPad)
};
using CircularPad1d = CircularPad<1>;  ///< x: [N, C, L] or [C, L]
using CircularPad2d = CircularPad<2>;  ///< x: [N, C, H, W] or [C, H, W]
using CircularPad3d = CircularPad<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// Zeros around x.
template <std::size_t axes>
class ZeroPad : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or a pair for each axis.
  explicit ZeroPad(const PadSizes& padding) : PadLayer("ZeroPad", axes, padding, "constant") {}
  NORMGRAD_DECLARE_MEMBERS(ZeroPad)
};
using ZeroPad1d = ZeroPad<1>;  ///< x: [N, C, L] or [C, L]
using ZeroPad2d = ZeroPad<2>;  ///< x: [N, C, H, W] or [C, H, W]
using ZeroPad3d = ZeroPad<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// A constant around x.
template <std::size_t axes>
class ConstantPad : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or a pair for each axis.
  ConstantPad(const PadSizes& padding, double value) : PadLayer("ConstantPad", axes, padding, "constant", value) {}
  NORMGRAD_DECLARE_MEMBERS(ConstantPad)
};
using ConstantPad1d = ConstantPad<1>;  ///< x: [N, C, L] or [C, L]
using ConstantPad2d = ConstantPad<2>;  ///< x: [N, C, H, W] or [C, H, W]
using ConstantPad3d = ConstantPad<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

}  // namespace normgrad
