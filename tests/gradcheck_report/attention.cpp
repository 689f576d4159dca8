#include "normgrad/core/ops/attention/attention.hpp"

#include "tests/gradcheck_report/cases.hpp"

namespace normgrad::tests {

void add_attention(CaseList& list) {
  list.start_family("attention");
  const auto attention = [&](const std::string& name, const Shape& q, const Shape& k, const Shape& v,
                             const AttentionOptions& options) {
    list.add("scaled_dot_product_attention" + name,
             [options](const Inputs& in) {
               Generator generator(7);
               AttentionOptions o = options;
               o.generator = &generator;
               o.attn_mask = in.size() > 3 ? in[3] : Tensor();
               return scaled_dot_product_attention(in[0], in[1], in[2], o);
             },
             {list.normal(q), list.normal(k), list.normal(v)});
  };
  const auto with_mask = [&](const Tensor& mask) { list.cases.back().inputs.push_back(mask); };
  attention("", {2, 3, 4}, {2, 5, 4}, {2, 5, 2}, {});
  attention("", {1, 1}, {1, 1}, {1, 1}, {});
  attention("", {2, 1, 2, 3}, {3, 4, 3}, {4, 2}, {});
  attention(" causal", {2, 4, 3}, {2, 5, 3}, {2, 5, 2}, {.is_causal = true});
  attention(" groups", {4, 3, 2}, {2, 3, 2}, {2, 3, 2}, {.enable_gqa = true});
  attention(" scale=2", {3, 2}, {3, 2}, {3, 2}, {.scale = 2.0});
  attention(" dropout_p=0.4", {2, 3, 4}, {2, 5, 4}, {2, 5, 2}, {.dropout_p = 0.4});
  attention(" bool mask", {2, 4, 3}, {2, 5, 3}, {2, 5, 2}, {});
  with_mask(list.mask({4, 5}));
  attention(" float mask", {2, 2, 4, 3}, {2, 2, 5, 3}, {2, 2, 5, 2}, {});
  with_mask(list.normal({2, 1, 5}));
  list.add("attention_weights", [](const Inputs& in) { return attention_weights(in[0], in[1]); },
           {list.normal({2, 3, 4}), list.normal({2, 5, 4})});
}

}  // namespace normgrad::tests
