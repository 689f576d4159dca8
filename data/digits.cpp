#include "normgrad/data/digits.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "normgrad/core/base/detail/fork.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

constexpr int kSide = 28;
constexpr std::int64_t kPixels = std::int64_t{kSide} * kSide;
constexpr int kImageDrawsBits = 20;                            // an image draws fewer than 2^20 random numbers
constexpr std::uint64_t kTestStream = std::uint64_t{1} << 40;  // index of the first test image in the stream

struct Point {
  double x, y;
};
using Stroke = std::vector<Point>;  // points of a smooth curve
using Glyph = std::vector<Stroke>;

// Glyph variants of each digit, in the unit square, y pointing down.
const std::array<std::vector<Glyph>, 10>& glyphs() {
  static const std::array<std::vector<Glyph>, 10> all = {{
      {{{{.5, 0}, {.2, .2}, {.12, .5}, {.2, .82}, {.5, 1}, {.8, .82}, {.88, .5}, {.8, .2}, {.5, 0}}},
       {{{.6, .02}, {.25, .15}, {.12, .55}, {.3, .95}, {.6, .98}, {.85, .65}, {.85, .25}, {.5, .05}, {.35, .1}}}},
      {{{{.5, 0}, {.5, 1}}},
       {{{.28, .22}, {.52, 0}}, {{.52, 0}, {.5, 1}}},
       {{{.28, .22}, {.52, 0}}, {{.52, 0}, {.5, 1}}, {{.25, 1}, {.75, 1}}}},
      {{{{.15, .25}, {.3, .05}, {.6, 0}, {.82, .2}, {.72, .48}, {.45, .72}, {.12, 1}}, {{.12, 1}, {.88, 1}}},
       {{{.18, .2}, {.5, 0}, {.8, .2}, {.65, .55}, {.3, .9}, {.12, .9}, {.3, .78}, {.55, .95}, {.9, .95}}}},
      {{{{.18, .12}, {.45, 0}, {.75, .12}, {.72, .35}, {.42, .47}},
        {{.42, .47}, {.78, .6}, {.82, .82}, {.5, 1}, {.15, .88}}},
       {{{.15, 0}, {.8, 0}}, {{.8, 0}, {.42, .42}}, {{.42, .42}, {.82, .58}, {.78, .9}, {.4, 1}, {.12, .88}}}},
      {{{{.6, 0}, {.12, .65}}, {{.12, .65}, {.9, .65}}, {{.68, .3}, {.66, 1}}},
       {{{.2, 0}, {.14, .3}, {.2, .52}, {.8, .5}}, {{.8, 0}, {.74, 1}}}},
      {{{{.82, 0}, {.25, .02}},
        {{.25, .02}, {.2, .42}},
        {{.2, .42}, {.55, .36}, {.85, .6}, {.72, .92}, {.4, 1}, {.12, .88}}},
       {{{.8, .02}, {.35, .05}, {.25, .4}, {.6, .42}, {.82, .68}, {.6, .97}, {.15, .92}}}},
      {{{{.7, 0}, {.35, .25}, {.15, .6}, {.25, .92}, {.55, 1}, {.82, .8}, {.72, .56}, {.45, .5}, {.18, .68}}},
       {{{.45, 0}, {.2, .4}, {.18, .8}, {.5, 1}, {.8, .82}, {.65, .58}, {.25, .68}}}},
      {{{{.12, .02}, {.88, 0}}, {{.88, 0}, {.6, .4}, {.42, 1}}},
       {{{.12, .02}, {.88, 0}}, {{.88, 0}, {.6, .4}, {.42, 1}}, {{.35, .5}, {.8, .5}}},
       {{{.14, .2}, {.18, .02}, {.85, .02}}, {{.85, .02}, {.55, .5}, {.4, 1}}}},
      {{{{.5, .48},
         {.2, .32},
         {.25, .06},
         {.5, 0},
         {.75, .06},
         {.8, .3},
         {.5, .48},
         {.18, .7},
         {.2, .93},
         {.5, 1},
         {.8, .93},
         {.82, .7},
         {.5, .48}}},
       {{{.78, .12}, {.45, 0}, {.22, .2}, {.5, .45}, {.82, .75}, {.5, 1}, {.18, .78}, {.5, .48}, {.78, .12}}}},
      {{{{.8, .22}, {.55, .5}, {.22, .38}, {.2, .12}, {.5, 0}, {.78, .12}, {.8, .3}},
        {{.8, .22}, {.76, .65}, {.62, 1}}},
       {{{.78, .1}, {.4, 0}, {.18, .25}, {.42, .5}, {.78, .3}}, {{.78, .1}, {.8, .6}, {.6, .95}, {.25, .98}}}},
  }};
  return all;
}

const detail::BeforeMain glyphs_exist([] { glyphs(); });

double between(Generator& generator, double low, double high) { return low + (high - low) * generator.uniform(); }

/// The random transform from the unit square to the image for one digit.
struct Hand {
  double width, height, cos, sin, slant, bend, bend_phase, x, y;

  explicit Hand(Generator& g) {
    width = between(g, 10.0, 17.0);
    height = between(g, 16.0, 21.5);
    const double turn = between(g, -0.22, 0.22);
    cos = std::cos(turn);
    sin = std::sin(turn);
    slant = between(g, -0.15, 0.35);
    bend = between(g, -1.2, 1.2);
    bend_phase = between(g, 0.0, 2.0 * std::numbers::pi);
    x = 0.5 * kSide + between(g, -2.0, 2.0);
    y = 0.5 * kSide + between(g, -2.0, 2.0);
  }

  Point place(Point p) const {
    const double v = (p.y - 0.5) * height;
    const double u = (p.x - 0.5) * width - slant * v + bend * std::sin(std::numbers::pi * p.y + bend_phase);
    return {x + cos * u - sin * v, y + sin * u + cos * v};
  }
};

/// Points of the Catmull-Rom curve through the stroke's points, each with a small random offset.
Stroke curve(const Stroke& stroke, const Hand& hand, Generator& generator) {
  constexpr int kSteps = 6;
  Stroke points;
  for (const Point& p : stroke) {
    points.push_back(hand.place({p.x + 0.045 * generator.normal(), p.y + 0.03 * generator.normal()}));
  }
  Stroke smooth = {points.front()};
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const Point a = points[i == 0 ? 0 : i - 1];
    const Point b = points[i];
    const Point c = points[i + 1];
    const Point d = points[std::min(i + 2, points.size() - 1)];
    const int steps = points.size() == 2 ? 1 : kSteps;
    for (int step = 1; step <= steps; ++step) {
      const double t = static_cast<double>(step) / steps;
      const auto blend = [t](double p0, double p1, double p2, double p3) {
        return 0.5 *
               (2.0 * p1 + t * (p2 - p0 + t * (2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3 + t * (3.0 * (p1 - p2) + p3 - p0))));
      };
      smooth.push_back({blend(a.x, b.x, c.x, d.x), blend(a.y, b.y, c.y, d.y)});
    }
  }
  return smooth;
}

double distance(Point p, Point a, Point b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double length = dx * dx + dy * dy;
  const double t = length > 0.0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/// Draws a line with round ends into `ink` (0 to 1, row-major), keeping the maximum. The edge fades over one pixel.
void draw_line(std::span<double> ink, Point a, Point b, double radius) {
  const auto pixel = [](double at) { return std::clamp(static_cast<int>(std::floor(at)), 0, kSide - 1); };
  const double reach = radius + 1.0;
  for (int row = pixel(std::min(a.y, b.y) - reach); row <= pixel(std::max(a.y, b.y) + reach); ++row) {
    for (int column = pixel(std::min(a.x, b.x) - reach); column <= pixel(std::max(a.x, b.x) + reach); ++column) {
      const double cover = radius + 0.5 - distance({column + 0.5, row + 0.5}, a, b);
      double& here = ink[static_cast<std::size_t>(row) * kSide + static_cast<std::size_t>(column)];
      here = std::max(here, std::clamp(cover, 0.0, 1.0));
    }
  }
}

std::uint8_t draw_digit(Generator generator, std::span<std::uint8_t> pixels) {
  const auto digit = static_cast<std::uint8_t>(generator.below(10));
  const std::vector<Glyph>& ways = glyphs()[digit];
  const Glyph& glyph = ways[generator.below(ways.size())];
  const Hand hand(generator);
  const double radius = between(generator, 0.6, 1.5);
  std::array<double, kPixels> ink{};
  for (const Stroke& stroke : glyph) {
    const Stroke line = curve(stroke, hand, generator);
    for (std::size_t i = 1; i < line.size(); ++i) {
      draw_line(ink, line[i - 1], line[i], radius);
    }
  }
  const double strength = between(generator, 0.7, 1.0);
  const double noise = between(generator, 0.0, 0.3);
  for (std::size_t i = 0; i < ink.size(); ++i) {
    const double first = generator.uniform_float();
    const double grain = first - static_cast<double>(generator.uniform_float());  // triangular on [-1, 1]
    const double value = strength * ink[i] + noise * grain;
    pixels[i] = static_cast<std::uint8_t>(std::lround(255.0 * std::clamp(value, 0.0, 1.0)));
  }
  return digit;
}

ImageDataset draw(std::int64_t count, std::uint64_t seed, std::uint64_t first) {
  constexpr std::int64_t kImagesPerTask = 64;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count * kPixels));
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(count));
  parallel_for(count, kImagesPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Generator generator(seed);
      generator.set_position((first + static_cast<std::uint64_t>(i)) << kImageDrawsBits);
      labels[static_cast<std::size_t>(i)] =
          draw_digit(generator, std::span(pixels).subspan(static_cast<std::size_t>(i * kPixels), kPixels));
    }
  });
  return {{count, 1, kSide, kSide}, std::move(pixels), std::move(labels)};
}

}  // namespace

ImageSplits make_digits(const DigitsOptions& options) {
  require<ValueError>(options.train >= 1 && options.test >= 1,
                      "make_digits: expected at least 1 training and 1 test image but got ", options.train, " and ",
                      options.test);
  constexpr auto kMax = std::int64_t{1} << 31;  // far below the size at which the random streams would overlap
  require<ValueError>(options.train <= kMax && options.test <= kMax, "make_digits: expected at most ", kMax,
                      " training and test images but got ", options.train, " and ", options.test);
  return {.train = draw(options.train, options.seed, 0), .test = draw(options.test, options.seed, kTestStream)};
}

}  // namespace normgrad
