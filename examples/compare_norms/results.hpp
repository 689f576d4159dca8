// What compare_norms leaves behind: tables, files and the report.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "examples/compare_norms/sweep.hpp"
#include "examples/lab/page.hpp"

namespace compare_norms {

/// results.csv: model,norm,seed,step,epoch,train_loss,test_loss,test_accuracy,seconds; between norm and seed the
/// settings that differ in the sweep: optimizer, activation, batch_size, lr. Ordered by seed, then as the cells are.
/// With probes also probes.csv: the same settings, then seed,step,layer,quantity,value. Returns the number of rows of
/// results.csv; with none nothing is written.
std::int64_t write_results(const Sweep& sweep, const std::filesystem::path& folder);

/// Everything of the sweep and its runs but the curves, for programs.
void write_summary_json(const Sweep& sweep, const std::filesystem::path& folder);

/// One row per cell: what there is to say of it.
lab::Table summary_table(const Sweep& sweep);
/// Model and norm against the highest learning rate that trains; without rows unless the sweep has several.
lab::Table rate_table(const Sweep& sweep);

/// Accuracy and loss against steps, one pair per setting.
std::vector<lab::Chart> curve_charts(const Sweep& sweep);
/// Final accuracy against each of learning rate and batch size that differs.
std::vector<lab::Chart> axis_charts(const Sweep& sweep);
/// What the probes saw; empty without them.
std::vector<lab::Chart> probe_charts(const Sweep& sweep);

lab::Page report_page(const Sweep& sweep);

/// For people at a terminal, one block per setting.
void print_tables(const Sweep& sweep, std::ostream& out);

}  // namespace compare_norms
