// Layers of the operations on images; see core/ops/image/image.hpp for shapes.
#pragma once

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
  /// Throws ShapeError unless there is one number or a pair for each of the `axes`.
  PadLayer(const char* name, std::size_t axes, const PadSizes& padding, const char* mode, double value = 0.0);

 private:
  std::vector<std::int64_t> padding_;  // pairs
  const char* mode_;
  double value_;
  std::size_t axes_;
};

}  // namespace detail

/// Reflected at the edges, which are not repeated, around x: [N, C, L] or [C, L].
class ReflectionPad1d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 2.
  explicit ReflectionPad1d(const PadSizes& padding) : PadLayer("ReflectionPad1d", 1, padding, "reflect") {}
  NORMGRAD_DECLARE_MEMBERS(ReflectionPad1d)
};

/// Reflected at the edges, which are not repeated, around x: [N, C, H, W] or [C, H, W].
class ReflectionPad2d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 4.
  explicit ReflectionPad2d(const PadSizes& padding) : PadLayer("ReflectionPad2d", 2, padding, "reflect") {}
  NORMGRAD_DECLARE_MEMBERS(ReflectionPad2d)
};

/// Reflected at the edges, which are not repeated, around x: [N, C, D, H, W] or [C, D, H, W].
class ReflectionPad3d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 6.
  explicit ReflectionPad3d(const PadSizes& padding) : PadLayer("ReflectionPad3d", 3, padding, "reflect") {}
  NORMGRAD_DECLARE_MEMBERS(ReflectionPad3d)
};

/// The edges repeated, around x: [N, C, L] or [C, L].
class ReplicationPad1d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 2.
  explicit ReplicationPad1d(const PadSizes& padding) : PadLayer("ReplicationPad1d", 1, padding, "replicate") {}
  NORMGRAD_DECLARE_MEMBERS(ReplicationPad1d)
};

/// The edges repeated, around x: [N, C, H, W] or [C, H, W].
class ReplicationPad2d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 4.
  explicit ReplicationPad2d(const PadSizes& padding) : PadLayer("ReplicationPad2d", 2, padding, "replicate") {}
  NORMGRAD_DECLARE_MEMBERS(ReplicationPad2d)
};

/// The edges repeated, around x: [N, C, D, H, W] or [C, D, H, W].
class ReplicationPad3d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 6.
  explicit ReplicationPad3d(const PadSizes& padding) : PadLayer("ReplicationPad3d", 3, padding, "replicate") {}
  NORMGRAD_DECLARE_MEMBERS(ReplicationPad3d)
};

/// Continued from the other end, around x: [N, C, L] or [C, L].
class CircularPad1d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 2.
  explicit CircularPad1d(const PadSizes& padding) : PadLayer("CircularPad1d", 1, padding, "circular") {}
  NORMGRAD_DECLARE_MEMBERS(CircularPad1d)
};

/// Continued from the other end, around x: [N, C, H, W] or [C, H, W].
class CircularPad2d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 4.
  explicit CircularPad2d(const PadSizes& padding) : PadLayer("CircularPad2d", 2, padding, "circular") {}
  NORMGRAD_DECLARE_MEMBERS(CircularPad2d)
};

/// Continued from the other end, around x: [N, C, D, H, W] or [C, D, H, W].
class CircularPad3d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 6.
  explicit CircularPad3d(const PadSizes& padding) : PadLayer("CircularPad3d", 3, padding, "circular") {}
  NORMGRAD_DECLARE_MEMBERS(CircularPad3d)
};

/// Zeros, around x: [N, C, L] or [C, L].
class ZeroPad1d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 2.
  explicit ZeroPad1d(const PadSizes& padding) : PadLayer("ZeroPad1d", 1, padding, "constant") {}
  NORMGRAD_DECLARE_MEMBERS(ZeroPad1d)
};

/// Zeros, around x: [N, C, H, W] or [C, H, W].
class ZeroPad2d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 4.
  explicit ZeroPad2d(const PadSizes& padding) : PadLayer("ZeroPad2d", 2, padding, "constant") {}
  NORMGRAD_DECLARE_MEMBERS(ZeroPad2d)
};

/// Zeros, around x: [N, C, D, H, W] or [C, D, H, W].
class ZeroPad3d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 6.
  explicit ZeroPad3d(const PadSizes& padding) : PadLayer("ZeroPad3d", 3, padding, "constant") {}
  NORMGRAD_DECLARE_MEMBERS(ZeroPad3d)
};

/// A constant around x: [N, C, L] or [C, L].
class ConstantPad1d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 2.
  ConstantPad1d(const PadSizes& padding, double value) : PadLayer("ConstantPad1d", 1, padding, "constant", value) {}
  NORMGRAD_DECLARE_MEMBERS(ConstantPad1d)
};

/// A constant around x: [N, C, H, W] or [C, H, W].
class ConstantPad2d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 4.
  ConstantPad2d(const PadSizes& padding, double value) : PadLayer("ConstantPad2d", 2, padding, "constant", value) {}
  NORMGRAD_DECLARE_MEMBERS(ConstantPad2d)
};

/// A constant around x: [N, C, D, H, W] or [C, D, H, W].
class ConstantPad3d : public detail::PadLayer {
 public:
  /// Throws ShapeError unless there is one number or 6.
  ConstantPad3d(const PadSizes& padding, double value) : PadLayer("ConstantPad3d", 3, padding, "constant", value) {}
  NORMGRAD_DECLARE_MEMBERS(ConstantPad3d)
};

}  // namespace normgrad
