// Norms beside the six common kinds, most of them composed of operations.
#include "tests/gradcheck_report/layer_cases.hpp"
#include "normgrad/layers/norm/batch_renorm.hpp"
#include "normgrad/layers/norm/ghost_batch_norm.hpp"

namespace normgrad::tests {

namespace {

// Means of 9 and running means of 0.1 are beyond the limits of r and d, where these are constants of x. Within the
// limits the gradient is not the derivative by definition; there tests/layers/batch_renorm_test.cpp compares it with
// PyTorch's.
void add_batch_renorms(CaseList& list) {
  const auto input = [&](const Shape& shape) { return list.normal(shape, 9.0, 2.0); };
  for (const Affine affine : {Affine(true), Affine(Affine::scale_only), Affine(Affine::bias_only), Affine(false)}) {
    const BatchRenormOptions options = {.affine = affine, .r_max = 1.25, .d_max = 0.5, .dtype = kFloat64};
    const auto name = [&](const char* layer) { return std::string(layer) + ", affine=" + to_string(affine); };
    add_both_modes<BatchRenorm1d>(list, name("BatchRenorm1d"), input({5, 3}), 3, options);
    add_both_modes<BatchRenorm1d>(list, name("BatchRenorm1d"), input({3, 2, 3}), 2, options);
    add_both_modes<BatchRenorm2d>(list, name("BatchRenorm2d"), input({2, 3, 2, 2}), 3, options);
    add_both_modes<BatchRenorm3d>(list, name("BatchRenorm3d"), input({2, 2, 2, 1, 2}), 2, options);
  }
  add_layer(list, "BatchRenorm1d, to order 4",
            std::make_shared<BatchRenorm1d>(2, BatchRenormOptions{.r_max = 1.25, .d_max = 0.5, .dtype = kFloat64}),
            input({4, 2}));
  list.cases.back().max_order = 4;
}

void add_ghosts(CaseList& list) {
  for (const Affine affine : {Affine(true), Affine(Affine::scale_only), Affine(Affine::bias_only), Affine(false)}) {
    const GhostBatchNormOptions options = {.virtual_batch_size = 2, .affine = affine, .dtype = kFloat64};
    const auto name = [&](const char* layer) { return std::string(layer) + ", affine=" + to_string(affine); };
    add_both_modes<GhostBatchNorm1d>(list, name("GhostBatchNorm1d"), list.normal({7, 2}), 2, options);
    add_both_modes<GhostBatchNorm2d>(list, name("GhostBatchNorm2d"), list.normal({5, 2, 2, 1}), 2, options);
    add_both_modes<GhostBatchNorm3d>(list, name("GhostBatchNorm3d"), list.normal({4, 1, 2, 1, 2}), 1, options);
  }
  add_layer(list, "GhostBatchNorm1d, to order 4",
            std::make_shared<GhostBatchNorm1d>(2, GhostBatchNormOptions{.virtual_batch_size = 3, .dtype = kFloat64}),
            list.normal({6, 2}));
  list.cases.back().max_order = 4;
}

}  // namespace

void add_norm_variants(CaseList& list) {
  list.start_family("batch renorm");
  add_batch_renorms(list);
  list.start_family("ghost batch norm");
  add_ghosts(list);
}

}  // namespace normgrad::tests
