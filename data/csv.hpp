// Tables in CSV files.
//
//   const CsvTable iris = read_csv("iris.csv", {.categories = {"species"}});
//   TensorDataset data(iris.select({"sepal_length", "sepal_width"}).to(kFloat32), iris.column("species").to(kInt64));
#pragma once

#include <map>
#include <string>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/base/file_path.hpp"

namespace normgrad {

/// Options of read_csv().
struct CsvOptions {
  char delimiter = ',';       ///< between fields
  bool header = true;         ///< whether the first row has the names of the columns; otherwise "0", "1", ...
  bool empty_is_nan = false;  ///< read an empty field as NaN; otherwise it is an error
  /// Columns of text: each different text gets a number, in alphabetical order.
  std::vector<std::string> categories = {};
};

/// The contents of a CSV file.
struct CsvTable {
  std::vector<std::string> columns;                            ///< their names
  Tensor values;                                               ///< float64 [rows, columns]
  std::map<std::string, std::vector<std::string>> categories;  ///< the texts of the columns of text, by their numbers

  /// Returns one column: [rows]. Throws ValueError, listing the names, for an unknown one.
  Tensor column(const std::string& name) const;
  /// Returns some columns, in the given order: [rows, names].
  Tensor select(const std::vector<std::string>& names) const;
};

/// Reads a table (RFC 4180: quoted fields may contain delimiters, line ends and doubled quotes; lines end in LF or
/// CRLF; empty lines are skipped). Fields that are no categories must be numbers. Throws IoError, naming the file, if
/// it cannot be read, has no row or repeats the name of a column, and, naming line and column, for a field that is no
/// number, a row of another length and a quote that is not closed. Throws ValueError for a category that is no column.
CsvTable read_csv(const FilePath& file, const CsvOptions& options = {});

}  // namespace normgrad
