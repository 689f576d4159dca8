// Which modules are normalization layers.
#pragma once

namespace normgrad {

class Module;

/// Whether a module is a norm of the library, or derived from one.
bool is_norm(const Module& module) noexcept;

}  // namespace normgrad
