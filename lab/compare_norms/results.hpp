// The results of compare_norms: tables, files and the report.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "lab/compare_norms/sweep.hpp"
#include "lab/page.hpp"

namespace compare_norms {

/// Writes results.csv: model,norm,seed,step,epoch,train_loss,test_loss,test_accuracy,seconds. The settings that differ
/// in the sweep are between norm and seed: optimizer, activation, batch_size, lr. Rows are ordered by seed, then by
/// cell. With probes, also writes probes.csv: the same settings, then seed,step,layer,quantity,value. Returns the
/// number of rows of results.csv; if there are none, writes nothing.
std::int64_t write_results(const Sweep& sweep, const std::filesystem::path& folder);

/// Writes all data of the sweep and its runs except the curves, in machine-readable form.
void write_summary_json(const Sweep& sweep, const std::filesystem::path& folder);

/// One row per cell with its summary.
lab::Table summary_table(const Sweep& sweep);
/// The highest learning rate that trains, by model and norm. Empty unless the sweep has several rates.
lab::Table rate_table(const Sweep& sweep);

/// Accuracy and loss by step, one pair of charts per setting.
std::vector<lab::Chart> curve_charts(const Sweep& sweep);
/// Final accuracy by learning rate and by batch size, for those that vary.
std::vector<lab::Chart> axis_charts(const Sweep& sweep);
/// The measurements of the probes; empty without probes.
std::vector<lab::Chart> probe_charts(const Sweep& sweep);

lab::Page report_page(const Sweep& sweep);

/// Prints one block per setting for a terminal.
void print_tables(const Sweep& sweep, std::ostream& out);

}  // namespace compare_norms
