#include "normgrad/core/autograd/function.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/fork.hpp"

namespace normgrad {

namespace {

// Nodes store their name as a plain pointer, so the names of user functions are never freed.
class Names {
 public:
  static Names& instance() {
    static auto* names = new Names;  // NOLINT(cppcoreguidelines-owning-memory): outlives all nodes
    return *names;
  }

  const char* interned(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return names_.insert(name).first->c_str();
  }

 private:
  detail::ForkSafeMutex mutex_{detail::ForkSafeMutex::Rank::names};
  std::set<std::string> names_;
};

const detail::BeforeMain names_exist([] { Names::instance(); });

// Tensors passed to a user's function; other handles share their memory.
class Lent {
 public:
  explicit Lent(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {
    for (const Tensor& tensor : tensors_) {
      versions_.push_back(tensor.version());
    }
  }
  // Index of a tensor that was changed in place, if any.
  std::optional<std::size_t> changed() const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].version() != versions_[i]) {
        return i;
      }
    }
    return {};
  }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::uint64_t> versions_;
};

}  // namespace

Tensor apply_function(const std::string& name, const std::vector<Tensor>& inputs,
                      const std::function<Tensor(const std::vector<Tensor>& inputs)>& forward,
                      const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, const Tensor& y,
                                                              const Tensor& gy)>& backward) {
  const char* label = Names::instance().interned(name);
  Tensor y;
  {
    const NoGradGuard no_grad;
    const Lent lent(inputs);
    y = forward(inputs);
    const std::optional<std::size_t> changed = lent.changed();
    require<GraphError>(!changed, "function '", name, "': the forward changed input ", changed.value_or(0),
                        " in place; compute with a clone() of it");
  }
  require<ValueError>(y.defined(), "function '", name, "': the forward returned an undefined tensor");
  // It may be one of the inputs: its node must not be replaced, and a change of the result must not change it.
  const auto is_input = [&](const Tensor& input) { return y.buffer().shares_block(input.buffer()); };
  y = std::any_of(inputs.begin(), inputs.end(), is_input) ? y.clone().detach() : y.detach();
  std::vector<Saved> saved;
  for (const Tensor& input : inputs) {
    saved.emplace_back(input);
  }
  return record(label, y, inputs,
                [label, saved = std::move(saved), out = SavedOutput(y), backward](const Tensor& gy, GradSink& into) {
                  std::vector<Tensor> values;
                  for (const Saved& input : saved) {
                    values.push_back(input.get());
                  }
                  const Tensor result = out.get();
                  std::vector<Tensor> all{gy, result};
                  all.insert(all.end(), values.begin(), values.end());
                  const Lent lent(std::move(all));
                  const std::vector<Tensor> gradients = backward(values, result, gy);
                  const std::size_t changed = lent.changed().value_or(values.size() + 2);
                  require<GraphError>(
                      changed == values.size() + 2, "backward of '", label, "': ",
                      changed == 0   ? "the gradient was"
                      : changed == 1 ? "the result was"
                                     : "an input was",
                      " changed in place, although other tensors share it; compute with a clone() of it");
                  require<GraphError>(gradients.size() == values.size(), "backward of '", label, "': expected ",
                                      values.size(), " gradients, one for each input, but got ", gradients.size());
                  for (std::size_t i = 0; i < gradients.size(); ++i) {
                    if (gradients[i].defined() && into.wants(i)) {
                      into.add(i, gradients[i]);
                    }
                  }
                });
}

namespace {

// The results of a function: those with gradients lie one after another in one tensor, which is the recorded result.
struct Results {
  std::vector<Tensor> all;  // undefined where the result is in the joined tensor
  std::vector<Shape> shapes;

  // Returns one tensor for each result: the parts of `whole`, and the others.
  std::vector<Tensor> with_parts_of(Tensor whole, bool others) const {
    std::vector<Tensor> parts;
    std::int64_t at = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].defined()) {
        parts.push_back(others ? all[i] : Tensor());
        continue;
      }
      const std::int64_t count = shapes[i].numel();
      parts.push_back(whole.narrow(0, at, count).reshape({shapes[i].begin(), shapes[i].end()}));
      at += count;
    }
    return parts;
  }
};

Tensor joined(const std::string& name, const std::vector<Tensor>& results) {
  std::int64_t count = 0;
  std::optional<DType> dtype;
  for (const Tensor& y : results) {
    require<ValueError>(y.defined(), "function '", name, "': the forward returned an undefined tensor");
    if (is_floating_point(y.dtype())) {
      require<ValueError>(!dtype || *dtype == y.dtype(), "function '", name,
                          "': expected results of one floating-point ", "dtype but got ", dtype.value_or(kFloat32),
                          " and ", y.dtype());
      dtype = y.dtype();
      count += y.numel();
    }
  }
  require<ValueError>(dtype.has_value(), "function '", name, "': expected a floating-point result but got none");
  Tensor flat = Tensor::empty({count}, *dtype);
  std::int64_t at = 0;
  for (const Tensor& y : results) {
    if (is_floating_point(y.dtype())) {
      flat.alias_rows(at, y.numel()).copy_(y.reshape({y.numel()}));
      at += y.numel();
    }
  }
  return flat;
}

}  // namespace

std::vector<Tensor> apply_function_multi(
    const std::string& name, const std::vector<Tensor>& inputs,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>& forward,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, const std::vector<Tensor>& results,
                                            const std::vector<Tensor>& gradients)>& backward) {
  const auto results = std::make_shared<Results>();
  const Tensor flat = apply_function(
      name, inputs,
      [&](const std::vector<Tensor>& in) {
        std::vector<Tensor> made = forward(in);
        Tensor flat_result = joined(name, made);
        for (Tensor& y : made) {
          results->shapes.push_back(y.shape());
          results->all.push_back(is_floating_point(y.dtype()) ? Tensor() : y.detach());
        }
        return flat_result;
      },
      [results, backward](const std::vector<Tensor>& in, const Tensor& y, const Tensor& gy) {
        return backward(in, results->with_parts_of(y, true), results->with_parts_of(gy, false));
      });
  return results->with_parts_of(flat, true);
}

}  // namespace normgrad
