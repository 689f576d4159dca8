// A scope in which LAPACK uses the calling thread only.
#pragma once

namespace normgrad::kernels {

/// Debian's alternatives may provide LAPACK by OpenBLAS, whose results depend on its number of threads. While one of
/// these objects exists, OpenBLAS has one thread; the last one restores the number. Does nothing without OpenBLAS, or
/// with its variant for OpenMP, whose number is that of the calling thread.
class OneThreadedLapack {
 public:
  OneThreadedLapack();
  OneThreadedLapack(const OneThreadedLapack&) = delete;
  OneThreadedLapack& operator=(const OneThreadedLapack&) = delete;
  ~OneThreadedLapack();
};

}  // namespace normgrad::kernels
