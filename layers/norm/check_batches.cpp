#include "normgrad/layers/norm/check_batches.hpp"

#include "normgrad/core/base/log.hpp"
#include "normgrad/layers/norm/batch_statistics_norm.hpp"

namespace normgrad {

std::string check_batches(Module& model, std::int64_t last_batch_size) {
  if (last_batch_size != 1) {
    return {};
  }
  for (const auto& [name, module] : model.named_modules()) {
    if (const auto* norm = dynamic_cast<const BatchStatisticsNorm*>(module); norm != nullptr && !norm->is_frozen()) {
      std::string text = detail::concat("the last batch of each epoch holds 1 example, and ", norm->type_name(),
                                        name.empty() ? "" : " '" + name + "'",
                                        " takes statistics over the examples of a batch: pass {.drop_last = "
                                        "true} to the DataLoader, or choose another "
                                        "batch_size");
      log(LogLevel::warn, text);
      return text;
    }
  }
  return {};
}

}  // namespace normgrad
