#include "lab/compare_norms/metric.hpp"

#include <cmath>

#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/text.hpp"

namespace compare_norms {

const Metric& metric_of(const std::string& model) {
  static const Metric accuracy = {
      .name = "accuracy", .label = "test accuracy, %", .unit = " %", .points = " points", .low = 0.0, .high = 100.0};
  static const Metric characters = [] {
    Metric metric = accuracy;
    metric.label = "characters predicted, %";
    return metric;
  }();
  static const Metric psnr = {.name = "PSNR",
                              .label = "PSNR of denoised test images, dB",
                              .unit = " dB",
                              .points = " dB",
                              .factor = 1.0,
                              .digits = 2,
                              .is_accuracy = false};
  static const Metric distance = {.name = "kernel distance",
                                  .label = "kernel distance from test images",
                                  .unit = "",
                                  .points = "",
                                  .factor = -1.0,
                                  .digits = 4,
                                  .low = 0.0,
                                  .is_accuracy = false,
                                  .best = "lowest",
                                  .others = "higher"};
  if (model == "unet") {
    return psnr;
  }
  if (model == "dcgan") {
    return distance;
  }
  return reads_text(model) ? characters : accuracy;
}

std::string shown(const Metric& metric, double value) {
  return fixed(metric.factor * value, metric.digits) + metric.unit;
}

std::string shown_difference(const Metric& metric, double difference) {
  const std::string number = fixed(std::abs(metric.factor * difference), metric.digits);
  return number + (metric.points == " points" && number == "1.0" ? " point" : metric.points);
}

}  // namespace compare_norms
