// A program that exchanges arrays with xtensor.
#include <iostream>
#include <normgrad/core/xtensor.hpp>
#include <normgrad/normgrad.hpp>

int main() {
  const xt::xarray<float> a = {{1.0F, 2.0F}, {3.0F, 4.0F}};
  const normgrad::Tensor doubled = normgrad::from_xtensor(a) * 2.0;
  std::cout << normgrad::as_xtensor<float>(doubled)(1, 0) << "\n";
  return normgrad::as_xtensor<float>(doubled)(1, 0) == 6.0F ? 0 : 1;
}
