// Identifies normalization layers.
#pragma once

namespace normgrad {

class Module;

/// Whether a module is one of the library's norms, or derived from one.
bool is_norm(const Module& module) noexcept;

}  // namespace normgrad
