// Checks the cases and writes the table.
#pragma once

#include <string>
#include <vector>

#include "tests/gradcheck_report/cases.hpp"

namespace normgrad::tests {

/// The result of one check of one case.
struct Row {
  std::string family;
  std::string name;
  std::string shape;
  int order = 1;
  double max_rel_error = 0.0;
  double max_abs_error = 0.0;
  bool passed = false;
  std::string problem;  ///< report or error; empty if passed
};

/// The maximum relative error of a row: 1e-7 in first order, 1e-5 in second, 1e-6 in orders that prove the absence of
/// faults visible only there.
double bound_of_order(int order);

/// Checks all cases on `threads` threads, with one row per order. Rows are in the order of the cases.
std::vector<Row> check_cases(const std::vector<GradientCase>& cases, int threads);

/// A Markdown table per family, with one line per name and shape and a column per order.
std::string to_markdown(const std::vector<Row>& rows);
/// {"passed": n, "failed": n, "rows": [{"name", "shape", "dtype", "order", "max_rel_error", "max_abs_error", ...}]}
std::string to_json(const std::vector<Row>& rows);

}  // namespace normgrad::tests
