/* What the compiled losses have in common: exponentials and logarithms of float32 as vector code, and their arguments. */
#ifndef TAILWISE_LOSSES_LOOPS_H
#define TAILWISE_LOSSES_LOOPS_H
#include "../_compiled.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

enum { BLOCK = 1024 }; /* terms that are summed in float32 before they join a sum in float64 */
#define EPSILON 1.1920928955078125e-07

/* Classes filled up to whole vectors. */
static int64_t padded(int64_t classes) { return (classes + LANES - 1) / LANES * LANES; }

/* exp(x) for x <= 0 to 2 units in the last place, 0 below -87: Cephes' polynomial, which compilers turn into vector code. */
INLINE float exp_of_negative(float x) {
    const float kept = x < -87.0f ? -87.0f : x;
    const float shifted = kept * 1.44269504088896341f + 12582912.0f; /* 1.5 * 2^23 rounds to a whole number */
    const float n = shifted - 12582912.0f;
    const float r = kept - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union {
        float value;
        int32_t bits;
    } power = {.bits = ((int32_t)n + 127) * (1 << 23)};
    return x < -87.0f ? 0.0f : p * power.value;
}

/* log(1 + f) - f for sqrt(1/2) - 1 <= f <= sqrt(2) - 1: Cephes' polynomial. */
INLINE float log_series(float f) {
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    return p * f * f * f - 0.5f * f * f;
}

/* log(1 + x) for 0 <= x <= 1, exact for small x as well. */
INLINE float log_of_one_and(float x) {
    const float halved = x > 0.41421356f ? 1.0f : 0.0f, f = x - halved * 0.5f * (x + 1); /* (1 + x) / 2 - 1 */
    return log_series(f) + f + halved * 0.69314718f;
}

/* log(x) for x >= 1e-37. */
INLINE float log_of(float x) {
    union {
        float value;
        int32_t bits;
    } number = {.value = x};
    int32_t exponent = (number.bits >> 23) - 127;
    number.bits = (number.bits & 0x7fffff) | 0x3f800000; /* in [1, 2) */
    const int over = number.value > 1.41421356f;
    const float f = (over ? number.value * 0.5f : number.value) - 1, n = (float)(exponent + over);
    return log_series(f) + n * -2.12194440e-4f + f + n * 0.693359375f;
}

/* Numbers below 1e-38 are 0 for as long as the loops run: no gradient depends on them, and they take a hundred times as
 * long as others. */
static unsigned int flush_tiny(void) {
#if defined(__SSE2__)
    const unsigned int before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u);
    return before;
#else
    return 0;
#endif
}

static void restore_tiny(unsigned int before) {
#if defined(__SSE2__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

#define POINTER(index) ((void *)(uintptr_t)PyLong_AsUnsignedLongLong(args[index]))
#define NUMBER(index) PyFloat_AsDouble(args[index])
#define WHOLE(index) PyLong_AsLongLong(args[index])

static int right_number(const char *name, Py_ssize_t count, Py_ssize_t wanted) {
    if (count == wanted) return 1;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", name, wanted, count);
    return 0;
}

/* Whether a label is one of the classes; an error is set where it is not. */
static int in_bounds(int64_t label, int64_t classes) {
    if (label >= 0 && label < classes) return 1;
    PyErr_Format(PyExc_IndexError, "Target %lld is out of bounds.", (long long)label);
    return 0;
}

#endif
