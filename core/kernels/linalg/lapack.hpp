// The routines of LAPACK that are used here, for float and double, with arguments by value. Matrices are column-major;
// `info` is LAPACK's. Internal to this folder.
#pragma once

#include <cstddef>

// Fortran passes addresses, and the lengths of character arguments after all others.
extern "C" {
#define NORMGRAD_LAPACK(T, p)                                                                                         \
  void p##potrf_(const char*, const int*, T*, const int*, int*, std::size_t);                                         \
  void p##getrf_(const int*, const int*, T*, const int*, int*, int*);                                                 \
  void p##getrs_(const char*, const int*, const int*, const T*, const int*, const int*, T*, const int*, int*,         \
                 std::size_t);                                                                                        \
  void p##trtrs_(const char*, const char*, const char*, const int*, const int*, const T*, const int*, T*, const int*, \
                 int*, std::size_t, std::size_t, std::size_t);                                                        \
  void p##geqrf_(const int*, const int*, T*, const int*, T*, T*, const int*, int*);                                   \
  void p##orgqr_(const int*, const int*, const int*, T*, const int*, const T*, T*, const int*, int*);                 \
  void p##gesdd_(const char*, const int*, const int*, T*, const int*, T*, T*, const int*, T*, const int*, T*,         \
                 const int*, int*, int*, std::size_t);                                                                \
  void p##syevd_(const char*, const char*, const int*, T*, const int*, T*, T*, const int*, int*, const int*, int*,    \
                 std::size_t, std::size_t);                                                                           \
  void p##gelsd_(const int*, const int*, const int*, T*, const int*, T*, const int*, T*, const T*, int*, T*,          \
                 const int*, int*, int*);
NORMGRAD_LAPACK(float, s)
NORMGRAD_LAPACK(double, d)
#undef NORMGRAD_LAPACK
}

namespace normgrad::kernels::lapack {

#define NORMGRAD_LAPACK(T, p)                                                                                      \
  inline int potrf(char uplo, int n, T* a) {                                                                       \
    int info = 0;                                                                                                  \
    p##potrf_(&uplo, &n, a, &n, &info, 1);                                                                         \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int getrf(int n, T* a, int* pivots) {                                                                     \
    int info = 0;                                                                                                  \
    p##getrf_(&n, &n, a, &n, pivots, &info);                                                                       \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int getrs(char trans, int n, int columns, const T* lu, const int* pivots, T* b) {                         \
    int info = 0;                                                                                                  \
    p##getrs_(&trans, &n, &columns, lu, &n, pivots, b, &n, &info, 1);                                              \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int trtrs(char uplo, char trans, char diag, int n, int columns, const T* a, T* b) {                       \
    int info = 0;                                                                                                  \
    p##trtrs_(&uplo, &trans, &diag, &n, &columns, a, &n, b, &n, &info, 1, 1, 1);                                   \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int geqrf(int m, int n, T* a, T* tau, T* work, int size) {                                                \
    int info = 0;                                                                                                  \
    p##geqrf_(&m, &n, a, &m, tau, work, &size, &info);                                                             \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int orgqr(int m, int n, int k, T* a, const T* tau, T* work, int size) {                                   \
    int info = 0;                                                                                                  \
    p##orgqr_(&m, &n, &k, a, &m, tau, work, &size, &info);                                                         \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int gesdd(char job, int m, int n, T* a, T* s, T* u, T* vt, int vt_rows, T* work, int size, int* iwork) {  \
    int info = 0;                                                                                                  \
    p##gesdd_(&job, &m, &n, a, &m, s, u, &m, vt, &vt_rows, work, &size, iwork, &info, 1);                          \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int syevd(char job, char uplo, int n, T* a, T* w, T* work, int size, int* iwork, int isize) {             \
    int info = 0;                                                                                                  \
    p##syevd_(&job, &uplo, &n, a, &n, w, work, &size, iwork, &isize, &info, 1, 1);                                 \
    return info;                                                                                                   \
  }                                                                                                                \
  inline int gelsd(int m, int n, int columns, T* a, T* b, int b_rows, T* s, T rcond, int* rank, T* work, int size, \
                   int* iwork) {                                                                                   \
    int info = 0;                                                                                                  \
    p##gelsd_(&m, &n, &columns, a, &m, b, &b_rows, s, &rcond, rank, work, &size, iwork, &info);                    \
    return info;                                                                                                   \
  }
NORMGRAD_LAPACK(float, s)
NORMGRAD_LAPACK(double, d)
#undef NORMGRAD_LAPACK

}  // namespace normgrad::kernels::lapack
