#include "tests/gradcheck_report/rows.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <sstream>
#include <thread>
#include <nlohmann/json.hpp>

#include "normgrad/core/autograd/backward.hpp"

namespace normgrad::tests {

namespace {

// Returns the largest difference between grad() and the gradient that backward() adds to leaves with a random gradient.
double filled_gradient_error(const GradientCase& c) {
  Generator generator(5);
  std::vector<Tensor> leaves;
  for (const Tensor& input : c.inputs) {
    if (input.requires_grad()) {
      leaves.push_back(input);
    }
  }
  const auto random_like = [&](const Tensor& x) {
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    std::generate_n(y.mutable_data<double>(), y.numel(), [&] { return generator.normal(); });
    return y;
  };
  const Tensor y = c.function(c.inputs);
  const Tensor gy = random_like(y);
  const std::vector<Tensor> expected = grad({y}, leaves, {gy}, {.retain_graph = true});
  std::vector<std::vector<double>> before;
  for (Tensor& leaf : leaves) {
    leaf.set_grad(random_like(leaf));
    before.push_back(leaf.grad().to_vector<double>());
  }
  y.backward(gy);
  double error = 0.0;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    const std::vector<double> after = leaves[k].grad().to_vector<double>();
    const std::vector<double> added = expected[k].to_vector<double>();
    for (std::size_t i = 0; i < after.size(); ++i) {
      error = std::max(error, std::abs(after[i] - (before[k][i] + added[i])));
    }
    leaves[k].set_grad({});
  }
  return error;
}

Row check_case(const GradientCase& c, int order) {
  Row row{c.family, c.name, c.shapes(), order, NAN, NAN, false, ""};
  try {
    const GradCheckReport report = gradcheck_order(c.function, c.inputs, order);
    row.max_rel_error = report.max_rel_error();
    row.max_abs_error = report.max_abs_error();
    const double filled = c.into_filled_gradient ? filled_gradient_error(c) : 0.0;
    row.passed = report.passed && row.max_rel_error <= bound_of_order(order) && filled == 0.0;
    if (!row.passed) {
      row.problem = to_string(report);
    }
    if (filled != 0.0) {
      row.problem += "  a filled gradient is off by " + std::to_string(filled) + "\n";
    }
  } catch (const std::exception& error) {
    row.problem = std::string("  ") + error.what() + "\n";
  }
  return row;
}

std::string scientific(double value) {
  std::ostringstream out;
  out.precision(1);
  out << std::scientific << value;
  return out.str();
}

}  // namespace

double bound_of_order(int order) { return order == 1 ? 1e-7 : order == 2 ? 1e-5 : 1e-6; }

std::vector<Row> check_cases(const std::vector<GradientCase>& cases, int threads) {
  std::vector<std::vector<Row>> rows_of(cases.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < cases.size(); i = next++) {
      const int max_order = cases[i].into_filled_gradient ? 1 : cases[i].max_order;
      for (int order = 1; order <= max_order; ++order) {
        rows_of[i].push_back(check_case(cases[i], order));
      }
    }
  };
  std::vector<std::thread> workers;
  for (int t = 1; t < threads; ++t) {
    workers.emplace_back(work);
  }
  work();
  for (std::thread& worker : workers) {
    worker.join();
  }
  std::vector<Row> rows;
  for (std::vector<Row>& part : rows_of) {
    std::move(part.begin(), part.end(), std::back_inserter(rows));
  }
  return rows;
}

std::string to_markdown(const std::vector<Row>& rows) {
  const auto failed = std::count_if(rows.begin(), rows.end(), [](const Row& row) { return !row.passed; });
  std::ostringstream out;
  out << "# Gradient table\n\n"
      << "Written by `build/tests/gradcheck_report --out docs/gradient_table.md`; how to read it: "
         "[gradcheck.md](gradcheck.md).\n\n"
      << "float64. An entry is the largest relative error of the gradient against extrapolated differences, over all "
         "inputs; bounds are 1e-7 (order 1), 1e-5 (order 2) and 1e-6 (orders 3 and 4). "
      << rows.size() - static_cast<std::size_t>(failed) << " of " << rows.size() << " rows passed.\n";
  std::string family;
  for (std::size_t i = 0; i < rows.size();) {
    if (rows[i].family != family) {
      family = rows[i].family;
      out << "\n## " << family
          << "\n\n| function | shapes | order 1 | order 2 | orders 3, 4 |\n|---|---|---|---|---|\n";
    }
    out << "| " << rows[i].name << " | " << rows[i].shape << " |";
    const std::size_t first = i;
    std::string higher;
    do {
      const std::string entry = scientific(rows[i].max_rel_error) + (rows[i].passed ? "" : " **FAILED**");
      if (rows[i].order <= 2) {
        out << " " << entry << " |";
      } else {
        higher += (higher.empty() ? "" : ", ") + entry;
      }
      ++i;
    } while (i < rows.size() && rows[i].order > 1);
    out << (i - first == 1 ? " |" : "") << " " << higher << " |\n";
  }
  return out.str();
}

std::string to_json(const std::vector<Row>& rows) {
  nlohmann::ordered_json table = nlohmann::ordered_json::array();
  std::size_t passed = 0;
  for (const Row& row : rows) {
    passed += row.passed ? 1 : 0;
    table.push_back({{"name", row.name},
                     {"shape", row.shape},
                     {"dtype", "float64"},
                     {"order", row.order},
                     {"max_rel_error", row.max_rel_error},
                     {"max_abs_error", row.max_abs_error},
                     {"passed", row.passed},
                     {"family", row.family}});
  }
  const nlohmann::ordered_json document = {
      {"passed", passed}, {"failed", rows.size() - passed}, {"rows", std::move(table)}};
  return document.dump(1) + "\n";
}

}  // namespace normgrad::tests
