#include "normgrad/data/loader.hpp"

#include "normgrad/core/base/error.hpp"

namespace normgrad {

template class BatchIterator<Batch>;

namespace {

class DatasetSource final : public detail::BatchSource {
 public:
  DatasetSource(DatasetPtr dataset, BatchTransform transform)
      : dataset_(std::move(dataset)), transform_(std::move(transform)) {
    require<ValueError>(dataset_ != nullptr, "DataLoader: expected a dataset but got none");
  }
  std::int64_t size() const override { return dataset_->size(); }
  std::shared_ptr<void> batch(std::span<const std::int64_t> indices) const override {
    return std::make_shared<Batch>(dataset_->batch(indices));
  }
  std::shared_ptr<void> transformed(std::shared_ptr<void> batch, Generator& generator) const override {
    if (transform_) {
      auto& made = *static_cast<Batch*>(batch.get());
      made = transform_(std::move(made), generator);
    }
    return batch;
  }

 private:
  DatasetPtr dataset_;
  BatchTransform transform_;
};

}  // namespace

DataLoader::DataLoader(DatasetPtr dataset, const DataLoaderOptions& options)
    : LoaderBase("DataLoader", std::make_shared<const DatasetSource>(std::move(dataset), options.transform), options) {}

}  // namespace normgrad
