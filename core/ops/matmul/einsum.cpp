#include "normgrad/core/ops/matmul/einsum.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/diagonal.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// An axis label: a letter, or 0 to 7 for the axes of "...", counted from the last.
using Labels = std::string;

bool has(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }

// A tensor and the labels of its axes.
struct Factor {
  Tensor x;
  Labels labels;
};

struct Equation {
  std::vector<std::string> terms;
  std::string result;
  bool is_explicit = false;

  explicit Equation(const std::string& text) {
    std::string bare;
    std::copy_if(text.begin(), text.end(), std::back_inserter(bare), [](char c) { return c != ' '; });
    const std::size_t arrow = bare.find("->");
    is_explicit = arrow != std::string::npos;
    result = is_explicit ? bare.substr(arrow + 2) : "";
    bare.resize(std::min(arrow, bare.size()));
    for (std::size_t from = 0, comma = 0; comma != std::string::npos; from = comma + 1) {
      comma = bare.find(',', from);
      terms.push_back(bare.substr(from, comma == std::string::npos ? comma : comma - from));
      check_term(text, terms.back());
    }
    check_term(text, result);
  }

  static void check_term(const std::string& text, std::string term) {
    const std::size_t dots = term.find("...");
    if (dots != std::string::npos) {
      term.erase(dots, 3);
    }
    const bool letters =
        std::all_of(term.begin(), term.end(), [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; });
    require<ValueError>(letters, "einsum: expected letters and one \"...\" per term, commas and one \"->\" but got \"",
                        text, "\"");
  }
};

// The labels of a term, with "..." replaced by the labels of `further` axes.
Labels spelled_out(const std::string& term, std::size_t further) {
  Labels labels = term;
  const std::size_t dots = term.find("...");
  if (dots != std::string::npos) {
    Labels axes;
    while (axes.size() < further) {
      axes.insert(axes.begin(), static_cast<char>(axes.size()));
    }
    labels.replace(dots, 3, axes);
  }
  return labels;
}

// The factor with the diagonal in place of axes with the same label.
Factor without_repeats(Factor f) {
  for (std::size_t i = 0; i < f.labels.size(); ++i) {
    const std::size_t again = f.labels.find(f.labels[i], i + 1);
    if (again == Labels::npos) {
      continue;
    }
    const char label = f.labels[i];
    const auto a = static_cast<std::int64_t>(i);
    const auto b = static_cast<std::int64_t>(again);
    require<ShapeError>(f.x.size(a) == f.x.size(b), "einsum: expected equal sizes for the repeated '", label,
                        "' but got ", f.x.shape());
    f.x = diagonal(f.x, 0, a, b);
    f.labels.erase(again, 1).erase(i, 1).push_back(label);
    return without_repeats(std::move(f));
  }
  return f;
}

// The factor summed over the labels that `keep` does not contain.
Factor summed(const Factor& f, const Labels& keep) {
  std::vector<std::int64_t> axes;
  Labels left;
  for (std::size_t i = 0; i < f.labels.size(); ++i) {
    if (has(keep, f.labels[i])) {
      left.push_back(f.labels[i]);
    } else {
      axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  return axes.empty() ? f : Factor{sum(f.x, axes), left};
}

// The factor without axes of size 1 whose label has another size in `other`.
Factor without_broadcast(const Factor& f, const Factor& other) {
  Factor y = f;
  for (std::size_t i = f.labels.size(); i-- > 0;) {
    const std::size_t there = other.labels.find(f.labels[i]);
    if (f.x.shape()[i] == 1 && there != Labels::npos && other.x.shape()[there] != 1) {
      y.x = squeeze(y.x, static_cast<std::int64_t>(i));
      y.labels.erase(i, 1);
    }
  }
  return y;
}

// The axes of the factor in the order of the labels.
Tensor arranged(const Factor& f, const Labels& labels) {
  if (f.labels == labels) {
    return f.x;
  }
  std::vector<std::int64_t> order;
  for (const char label : labels) {
    order.push_back(static_cast<std::int64_t>(f.labels.find(label)));
  }
  return permute(f.x, order);
}

std::int64_t size_of(const Factor& f, const Labels& labels) {
  std::int64_t size = 1;
  for (const char label : labels) {
    size *= f.x.shape()[f.labels.find(label)];
  }
  return size;
}

// The product, summed over the labels that `keep` does not contain.
Factor contracted(const Factor& a_given, const Factor& b_given, const Labels& keep) {
  Factor a = without_broadcast(a_given, b_given);
  Factor b = without_broadcast(b_given, a_given);
  a = summed(a, keep + b.labels);
  b = summed(b, keep + a.labels);
  Labels batch;
  Labels inner;
  Labels rows;
  Labels columns;
  for (const char label : a.labels) {
    (!has(b.labels, label) ? rows : has(keep, label) ? batch : inner).push_back(label);
  }
  std::copy_if(b.labels.begin(), b.labels.end(), std::back_inserter(columns),
               [&](char label) { return !has(a.labels, label); });
  Shape shape;
  for (const auto& [from, labels] : {std::pair(&a, &batch), std::pair(&a, &rows), std::pair(&b, &columns)}) {
    for (const char label : *labels) {
      shape.push_back(from->x.shape()[from->labels.find(label)]);
    }
  }
  const std::int64_t n = size_of(a, batch);
  const std::int64_t m = size_of(a, rows);
  const std::int64_t k = size_of(a, inner);
  const std::int64_t l = size_of(b, columns);
  Tensor y;
  if (inner.empty()) {
    y = mul(reshape_to(arranged(a, batch + rows), {n, m, 1}), reshape_to(arranged(b, batch + columns), {n, 1, l}));
  } else if (m == 1 && l == 1) {
    y = sum(mul(reshape_to(arranged(a, batch + rows + inner), {n, k}),
                reshape_to(arranged(b, batch + columns + inner), {n, k})),
            1);
  } else {
    y = matmul(reshape_to(arranged(a, batch + rows + inner), {n, m, k}),
               reshape_to(arranged(b, batch + inner + columns), {n, k, l}));
  }
  return {reshape_to(y, shape), batch + rows + columns};
}

// The labels and sizes of all operands.
std::vector<Factor> factors_of(const Equation& equation, const std::vector<Tensor>& operands, std::size_t& further) {
  std::vector<Factor> factors;
  std::array<std::int64_t, 128> sizes{};
  sizes.fill(1);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::string& term = equation.terms[i];
    const bool open = term.find("...") != std::string::npos;
    const std::size_t letters = term.size() - (open ? 3 : 0);
    const std::size_t rank = operands[i].shape().rank();
    require<ShapeError>(open ? rank >= letters : rank == letters, "einsum: expected operand ", i, " with ",
                        open ? "at least " : "", letters, " axes for \"", term, "\" but got ", operands[i].shape());
    further = std::max(further, rank - letters);
    factors.push_back(without_repeats({operands[i], spelled_out(term, rank - letters)}));
    const Factor& f = factors.back();
    for (std::size_t axis = 0; axis < f.labels.size(); ++axis) {
      std::int64_t& size = sizes[static_cast<std::size_t>(f.labels[axis])];
      const std::int64_t here = f.x.shape()[axis];
      require<ShapeError>(size == here || size == 1 || here == 1, "einsum: expected sizes that agree for ",
                          f.labels[axis] < 8 ? std::string("\"...\"") : detail::concat("'", f.labels[axis], "'"),
                          " but got ", size, " and ", here);
      size = size == 1 ? here : size;
    }
  }
  return factors;
}

Labels result_labels(const Equation& equation, const std::vector<Factor>& factors, std::size_t further) {
  std::string all;
  for (const std::string& term : equation.terms) {
    all += term;
  }
  if (equation.is_explicit) {
    const Labels labels = spelled_out(equation.result, further);
    for (const char label : labels) {
      const bool known =
          std::any_of(factors.begin(), factors.end(), [&](const Factor& f) { return has(f.labels, label); });
      require<ValueError>(known && std::count(labels.begin(), labels.end(), label) == 1,
                          "einsum: expected result labels that occur in a term, each once, but got \"", equation.result,
                          "\"");
    }
    return labels;
  }
  Labels labels = spelled_out("...", further);
  for (int label = 'A'; label <= 'z'; ++label) {
    if (std::isalpha(label) != 0 && std::count(all.begin(), all.end(), static_cast<char>(label)) == 1) {
      labels.push_back(static_cast<char>(label));
    }
  }
  return labels;
}

}  // namespace

Tensor einsum(const std::string& equation_text, const std::vector<Tensor>& operands) {
  const Equation equation(equation_text);
  require<ValueError>(operands.size() == equation.terms.size(), "einsum: expected ", equation.terms.size(),
                      " operands for \"", equation_text, "\" but got ", operands.size());
  for (const Tensor& x : operands) {
    detail::check_float("einsum", x);
    detail::check_same_dtype("einsum", operands[0], x);
  }
  std::size_t further = 0;
  const std::vector<Factor> factors = factors_of(equation, operands, further);
  const Labels result = result_labels(equation, factors, further);
  Factor y = factors[0];
  for (std::size_t i = 1; i < factors.size(); ++i) {
    Labels keep = result;
    for (std::size_t later = i + 1; later < factors.size(); ++later) {
      keep += factors[later].labels;
    }
    y = contracted(y, factors[i], keep);
  }
  return arranged(summed(y, result), result);
}

}  // namespace normgrad
