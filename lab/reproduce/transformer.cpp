#include "lab/reproduce/transformer.hpp"

#include <algorithm>
#include <cmath>

#include "lab/compare_norms/model_parts.hpp"

namespace reproduce {

using namespace normgrad;

Sequential small_transformer(const TransformerSpec& spec, const compare_norms::Data& data) {
  constexpr std::int64_t kHeads = 4;
  TransformerLayerOptions options = {.dim_feedforward = 2 * spec.width,
                                     .dropout = 0.0,
                                     .batch_first = true,
                                     .norm = spec.norm,
                                     .placement = spec.placement,
                                     .qk_norm = spec.qk_norm ? spec.norm : ""};
  if (spec.placement == "deepnorm") {
    options.deepnorm = deepnorm_scale(spec.layers);
  }
  Sequential net;
  net.push_back("patches", compare_norms::make_patches(data.images.train.image_shape(), spec.width));
  for (std::int64_t i = 1; i <= spec.layers; ++i) {
    TransformerEncoderLayer layer(spec.width, kHeads, options);
    if (spec.xavier && spec.placement != "deepnorm") {
      for (const auto& [name, parameter] : layer.named_parameters()) {
        if (parameter.dim() == 2) {
          // in_proj_weight is three matrices.
          const std::int64_t rows = name == "self_attn.in_proj_weight" ? spec.width : parameter.size(0);
          normal_(parameter, 0.0, std::sqrt(2.0 / static_cast<double>(rows + parameter.size(1))));
        }
      }
    }
    net.push_back("block" + std::to_string(i), std::move(layer));
  }
  net.push_back("mean", compare_norms::make_mean_over_positions());
  if (spec.placement == "pre" || spec.placement == "sandwich") {
    net.push_back("norm", make_norm(spec.norm, {.num_features = spec.width}));
  }
  net.push_back("fc", Linear(spec.width, data.num_classes));
  return net;
}

Numbers train_transformer(const TransformerSpec& spec, const TransformerPlan& plan, const compare_norms::Data& data,
                          std::uint64_t seed) {
  manual_seed(seed);
  Sequential net = small_transformer(spec, data);
  Adam optimizer(net.parameters(), {.lr = plan.lr});
  const auto set_rate = [&](std::int64_t step) {
    const double rise = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(plan.warmup, 1));
    const double left = static_cast<double>(plan.steps + 1 - step) / static_cast<double>(plan.steps + 1 - plan.warmup);
    optimizer.set_lr(plan.lr * std::min({1.0, rise, plan.decay ? left : 1.0}));
  };
  set_rate(1);
  const std::int64_t last = std::max<std::int64_t>(plan.steps / 10, 1);
  double loss_sum = 0.0;
  train_steps(net, optimizer, data.images.train, plan.steps, plan.batch_size, seed,
              [&](std::int64_t step, double loss) {
                set_rate(step + 1);
                loss_sum += step > plan.steps - last ? loss : 0.0;
                loss_sum = std::isfinite(loss) ? loss_sum : loss;
              });
  const double loss = loss_sum / static_cast<double>(last);
  const double guess = std::log(static_cast<double>(data.num_classes));
  return {test_accuracy(net, data.images.test), std::isfinite(loss) ? loss : guess};
}

}  // namespace reproduce
