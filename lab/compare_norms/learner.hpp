// How the models of compare_norms learn.
#pragma once

#include <memory>
#include <vector>

#include "lab/compare_norms/models.hpp"
#include "lab/compare_norms/options.hpp"
#include "lab/compare_norms/training.hpp"
#include "normgrad/normgrad.hpp"

namespace compare_norms {

/// A model in training.
class Learner {
 public:
  virtual ~Learner() = default;
  /// Trains on a batch and returns the loss.
  virtual double step(const normgrad::Batch& batch) = 0;
  virtual void set_lr(double lr) = 0;
  /// Measures in evaluation mode, and returns to training mode.
  virtual Score evaluate(const normgrad::DatasetPtr& examples) = 0;
  virtual normgrad::Sequential& model() = 0;
};

/// Classifiers and language models learn by cross entropy; "unet" to remove noise from images; "dcgan" to make images.
/// The taps may be null.
std::unique_ptr<Learner> make_learner(const Plan& plan, std::uint64_t seed, const Data& data,
                                      const std::shared_ptr<TapLog>& taps);

/// unet: adds noise of 50/255 of the range of a pixel to images and minimizes the mean squared error. Measured by the
/// mean peak signal-to-noise ratio of the first 500 test images, with the same noise for all models.
std::unique_ptr<Learner> make_denoiser(const Plan& plan, std::uint64_t seed, const Data& data,
                                       normgrad::Sequential model);
/// dcgan: the model is the generator. The discriminator's two convolutions and its linear layer have spectral norm;
/// both minimize the logistic losses of Goodfellow et al., 2014, the generator the one that does not saturate. Measured
/// by the squared kernel distance of 500 images made in evaluation mode from the first 500 test images.
std::unique_ptr<Learner> make_gan(const Plan& plan, std::uint64_t seed, const Data& data, normgrad::Sequential model);

/// Images whose elements that are not finite are 0, the mean pixel: what a diverged model makes can be measured.
normgrad::Tensor with_finite_pixels(const normgrad::Tensor& images);

/// The optimizer of a plan.
std::unique_ptr<normgrad::Optimizer> make_optimizer(const Plan& plan, const std::vector<normgrad::Tensor>& parameters);
/// The learning rate of a step, counted from 1: a linear rise over the warmup, then the plan's schedule. "constant";
/// "cosine", half a cosine down to 0; "onecycle", a rise to the rate by half a cosine (over the warmup, or 30 % of the
/// steps without one) from a 25th of it, and a fall to nearly 0 (Smith and Topin, 2019).
double lr_of(const Plan& plan, std::int64_t step);

/// Unbiased estimate of the squared maximum mean discrepancy of two sets of vectors [n, d], [m, d], with the mean of
/// three Gaussian kernels, whose widths are 1/2, 1 and 2 times the median distance within x.
double kernel_distance(const normgrad::Tensor& x, const normgrad::Tensor& y);

}  // namespace compare_norms
