#include "normgrad/core/base/file_path.hpp"

#include <ostream>

namespace normgrad {

std::ostream& operator<<(std::ostream& out, const FilePath& path) { return out << path.string(); }

}  // namespace normgrad
