/* What the compiled modules have in common: code for each processor, loops that become vector code, and threads. */
#ifndef TAILWISE_COMPILED_H
#define TAILWISE_COMPILED_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* One version for AVX-512, one for AVX2 and one for any processor, chosen when the library is loaded. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && defined(__gnu_linux__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
/* Without AVX-512, which some processors take tens of microseconds to begin with. */
#define FOR_SHORT_WORK __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#define FOR_SHORT_WORK
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

/* Work in parts, each of which any thread may take: `run(work, part)`. */
typedef struct {
    void (*run)(void *work, long part);
    void *work;
    long parts, taken;
} Shared;

#if defined(_MSC_VER)
#include <intrin.h>
#define TAKE(counter) _InterlockedExchangeAdd(counter, 1)
#else
#define TAKE(counter) __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED)
#endif

static void take_parts(void *shared) {
    Shared *all = shared;
    for (long part; (part = TAKE(&all->taken)) < all->parts;) all->run(all->work, part);
}

/* GOMP_parallel of the OpenMP library that torch has loaded: its threads, which wait for work in a busy loop, would keep
 * others from the cores. */
static void (*in_parallel)(void (*)(void *), void *, unsigned, unsigned);

/* threads_of(address): let parts be shared out by the function at `address`; without it one thread takes all. */
static PyObject *threads_of(PyObject *module, PyObject *address) {
    (void)module;
    in_parallel = (void (*)(void (*)(void *), void *, unsigned, unsigned))(uintptr_t)PyLong_AsUnsignedLongLong(address);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static void share_out(void (*run)(void *, long), void *work, long parts) {
    Shared all = {.run = run, .work = work, .parts = parts};
    if (parts > 1 && in_parallel)
        in_parallel(take_parts, &all, (unsigned)parts, 0);
    else
        take_parts(&all);
}

#endif
