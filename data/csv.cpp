#include "normgrad/data/csv.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "normgrad/core/base/detail/input_file.hpp"
#include "normgrad/core/base/detail/io_errors.hpp"

namespace normgrad {

namespace {

struct CsvRow {
  std::int64_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

/// Reads the rows of a CSV text, one after another.
class CsvReader {
 public:
  CsvReader(const std::string& where, std::string_view text, char delimiter)
      : where_(where), text_(text), delimiter_(delimiter) {}

  /// Reads the next row that is not empty. Returns false at the end.
  bool next(CsvRow& row) {
    while (at_ < text_.size()) {
      row.line = line_;
      row.fields.clear();
      do {
        row.fields.push_back(field());
      } while (take(delimiter_));
      end_line(row);
      if (row.fields.size() > 1 || !row.fields[0].empty()) {
        return true;
      }
    }
    return false;
  }

 private:
  bool take(char c) {
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }

  std::string field() {
    if (take('"')) {
      return quoted();
    }
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != delimiter_ && text_[at_] != '\n' && text_[at_] != '\r') {
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted() {
    const std::int64_t begin = line_;
    std::string value;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"' && !take('"')) {
        return value;
      }
      line_ += c == '\n' ? 1 : 0;
      value += c;
    }
    fail<IoError>(where_, "the quote that begins in line ", begin, " is not closed");
  }

  void end_line(const CsvRow& row) {
    take('\r');
    require<IoError>(at_ == text_.size() || take('\n'), where_, "line ", line_, ", field ", row.fields.size(),
                     ": expected the end of the field but got '", at_ < text_.size() ? text_[at_] : ' ', "'");
    ++line_;
  }

  const std::string& where_;
  std::string_view text_;
  char delimiter_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
};

/// The number that a field is, but for spaces around it; nothing if it is none.
bool read_csv_number(std::string_view field, double& value) {
  const std::size_t begin = field.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return false;
  }
  field = field.substr(begin, field.find_last_not_of(" \t") - begin + 1);
  if (field.size() > 1 && field[0] == '+') {
    field.remove_prefix(1);
  }
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc() && end == field.data() + field.size();
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::size_t column_index(const char* where, const std::vector<std::string>& columns, const std::string& name) {
  const auto found = std::find(columns.begin(), columns.end(), name);
  require<ValueError>(found != columns.end(), where, ": expected one of the columns ", joined(columns), " but got '",
                      name, "'");
  return static_cast<std::size_t>(found - columns.begin());
}

std::vector<std::string> column_names(const std::string& where, const CsvRow& first, bool header) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < first.fields.size(); ++i) {
    names.push_back(header ? first.fields[i] : std::to_string(i));
    require<IoError>(std::find(names.begin(), names.end() - 1, names.back()) == names.end() - 1, where,
                     "expected columns with different names but there are two '", names.back(), "'");
  }
  return names;
}

CsvTable parse_csv(const std::string& where, std::string_view text, const CsvOptions& options) {
  CsvReader reader(where, text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text, options.delimiter);
  CsvRow row;
  require<IoError>(reader.next(row), where, "expected a table but the file is empty");
  CsvTable table;
  table.columns = column_names(where, row, options.header);
  const std::size_t width = table.columns.size();
  std::vector<bool> is_text(width, false);
  for (const std::string& name : options.categories) {
    is_text[column_index("read_csv", table.columns, name)] = true;
  }
  std::vector<double> values;
  std::vector<std::vector<std::string>> texts(width);  // of the columns of text, row by row
  for (bool more = !options.header || reader.next(row); more; more = reader.next(row)) {
    require<IoError>(row.fields.size() == width, where, "line ", row.line, ": expected ", width, " fields but got ",
                     row.fields.size());
    for (std::size_t i = 0; i < width; ++i) {
      const std::string& field = row.fields[i];
      double value = std::numeric_limits<double>::quiet_NaN();
      if (is_text[i]) {
        texts[i].push_back(field);
      } else if (!(options.empty_is_nan && field.empty())) {
        require<IoError>(read_csv_number(field, value), where, "line ", row.line, ", column '", table.columns[i],
                         "': expected a number but got '", field, "'");
      }
      values.push_back(value);
    }
  }
  require<IoError>(!values.empty(), where, "expected at least one row after the header");
  for (std::size_t i = 0; i < width; ++i) {
    if (!is_text[i]) {
      continue;
    }
    std::vector<std::string> different = texts[i];
    std::sort(different.begin(), different.end());
    different.erase(std::unique(different.begin(), different.end()), different.end());
    for (std::size_t r = 0; r < texts[i].size(); ++r) {
      const auto place = std::lower_bound(different.begin(), different.end(), texts[i][r]);
      values[r * width + i] = static_cast<double>(place - different.begin());
    }
    table.categories[table.columns[i]] = std::move(different);
  }
  table.values =
      Tensor::empty({static_cast<std::int64_t>(values.size() / width), static_cast<std::int64_t>(width)}, kFloat64);
  std::copy(values.begin(), values.end(), table.values.mutable_data<double>());
  return table;
}

}  // namespace

Tensor CsvTable::column(const std::string& name) const { return select({name}).reshape({values.size(0)}); }

Tensor CsvTable::select(const std::vector<std::string>& names) const {
  std::vector<std::size_t> chosen;
  chosen.reserve(names.size());
  for (const std::string& name : names) {
    chosen.push_back(column_index("CsvTable", columns, name));
  }
  Tensor result = Tensor::empty({values.size(0), static_cast<std::int64_t>(names.size())}, kFloat64);
  const double* from = values.data<double>();
  double* to = result.mutable_data<double>();
  for (std::int64_t row = 0; row < values.size(0); ++row, from += columns.size()) {
    for (const std::size_t i : chosen) {
      *to++ = from[i];
    }
  }
  return result;
}

CsvTable read_csv(const FilePath& file, const CsvOptions& options) {
  require<ValueError>(options.delimiter != '"' && options.delimiter != '\n' && options.delimiter != '\r',
                      "read_csv: expected a delimiter that is no quote and no line end");
  return detail::with_io_errors("read_csv: '" + file.string() + "': ", [&] {
    const detail::InputFile input("read_csv", file);
    std::string text(static_cast<std::size_t>(input.size()), '\0');
    input.read(0, text.data(), text.size());
    return parse_csv(input.where(), text, options);
  });
}

}  // namespace normgrad
