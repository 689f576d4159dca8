// Derivatives of products.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// y[r][i] = product of x[r][j] over j != i, without division. x, y: [rows, n]; T: float or double.
template <class T>
void products_of_others(const T* x, T* y, std::int64_t rows, std::int64_t n);

}  // namespace normgrad::kernels
