// What is measured of a model on test examples.
#pragma once

#include <optional>
#include <string>

namespace compare_norms {

/// A measure, and how it is shown. The higher a measured value the better, so that a distance is measured with a minus.
struct Metric {
  std::string name;                 ///< "accuracy"
  std::string label;                ///< of an axis: "test accuracy, %"
  std::string unit;                 ///< after a number: " %"
  std::string points;               ///< after a difference: " points"
  double factor = 100.0;            ///< shown / measured value; negative for a distance
  int digits = 1;                   ///< of a number in a sentence
  std::optional<double> low = {};   ///< of an axis
  std::optional<double> high = {};  ///< of an axis
  bool is_accuracy = true;       ///< a share of the examples, which has targets, and whose deviation their number says
  std::string best = "highest";  ///< the best of several
  std::string others = "lower";  ///< the others of several
};

/// Accuracy of classifiers and language models; mean peak signal-to-noise ratio of the images that unet denoised;
/// squared kernel distance (maximum mean discrepancy; Gretton et al., 2012) of the images that dcgan made from test
/// images.
const Metric& metric_of(const std::string& model);
/// "97.3 %", "21.42 dB", "0.0312".
std::string shown(const Metric& metric, double value);
/// The size of a difference: "3.2 points", "0.41 dB".
std::string shown_difference(const Metric& metric, double difference);

}  // namespace compare_norms
