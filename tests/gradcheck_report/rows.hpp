// Checks the cases and writes the table.
#pragma once

#include <string>
#include <vector>

#include "tests/gradcheck_report/cases.hpp"

namespace normgrad::gradient_cases {

/// What one check of one case gave.
struct Row {
  std::string family;
  std::string name;
  std::string shape;
  int order = 1;
  double max_rel_error = 0.0;
  double max_abs_error = 0.0;
  bool passed = false;
  std::string problem;  ///< the report, or the error; empty when passed
};

/// The relative error that a row may have: 1e-7 in first order, 1e-5 in second, 1e-6 in orders that prove the absence
/// of the faults which show only there.
double bound_of_order(int order);

/// Checks all cases, each order a row, on `threads` threads; rows are in the order of the cases.
std::vector<Row> check_cases(const std::vector<GradientCase>& cases, int threads);

/// A Markdown table for each family: one line per name and shape, a column per order.
std::string to_markdown(const std::vector<Row>& rows);
/// {"passed": n, "failed": n, "rows": [{"name", "shape", "dtype", "order", "max_rel_error", "max_abs_error", ...}]}
std::string to_json(const std::vector<Row>& rows);

}  // namespace normgrad::gradient_cases
