/* What the compiled modules have in common: code for each processor, and loops that become vector code. */
#ifndef TAILWISE_COMPILED_H
#define TAILWISE_COMPILED_H

/* One version for AVX-512, one for AVX2 and one for any processor, chosen when the library is loaded. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && defined(__gnu_linux__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#if defined(_MSC_VER)
#define INLINE static __forceinline
#define SIMD(clauses)
#else
#define INLINE static inline __attribute__((always_inline))
#define PRAGMA(text) _Pragma(#text)
#define SIMD(clauses) PRAGMA(omp simd clauses)
#endif

enum { LANES = 16 }; /* numbers that are computed together, in a register of the widest vectors */

#endif
