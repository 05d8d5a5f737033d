/* Layers of small networks on a CPU, float32: what stands between two convolutions, in one pass or two over memory, and
 * convolutions of few channels.
 *
 * `pool` and `pool_gradient` are 2x2 max pooling and a ReLU of it. An image is H x W pixels of `inner` numbers that lie
 * together: all channels where the layout is channels-last, 1 where every channel is an image of its own.
 *
 * `norm` and `norm_gradient` are batch normalisation, an optional addition and a ReLU, on rows of C channels
 * (channels-last): one pass for what is summed over the rows, one for the result.
 *
 * `convolve` and `convolve_gradient` are convolutions without stride. A plane of the padded image is taken as one long
 * row: the sum over the kernel is then the same for 16 positions at a time, across the image's own rows, and what comes
 * out between two rows is dropped. Libraries that put channels into the lanes have 1 to 6 of 16 at work there.
 *
 * Several threads share the work: the rows of a normalisation, and of the others the parts that are given, each a tuple of
 * numbers. Pointers are numbers, 0 where there is none; the caller keeps the memory alive and of the right type and size.
 */
#include "../_compiled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 }; /* rows whose sums are taken in float32, and which stay in the cache meanwhile */
enum { CLOSED = 4 };  /* of a window that the ReLU closes: no input receives a gradient */

/* The largest of a window, the first of equals, NaN before all; which it was, or CLOSED. */
INLINE float largest(float a, float b, float c, float d, uint8_t *which) {
    /* Without a branch, which would be taken at random and keep the loop from becoming vector code. */
    float most = a;
    int32_t place = 0, more;
    more = (b > most) | (b != b), most = more ? b : most, place = more ? 1 : place;
    more = (c > most) | (c != c), most = more ? c : most, place = more ? 2 : place;
    more = (d > most) | (d != d), most = more ? d : most, place = more ? 3 : place;
    *which = (uint8_t)(most <= 0 ? CLOSED : place);
    return most <= 0 ? 0 : most;
}

/* `size` <= LANES windows side by side. Rows of small images are shorter than the vectors of a processor, and what is
 * left of them would be done one by one: so all lanes are filled up. */
INLINE void pool_lanes(const float *top, const float *bottom, int64_t size, float *out, uint8_t *which) {
    float above[2 * LANES] = {0}, below[2 * LANES] = {0}, most[LANES];
    uint8_t place[LANES];
    memcpy(above, top, (size_t)(2 * size) * sizeof(float));
    memcpy(below, bottom, (size_t)(2 * size) * sizeof(float));
    SIMD()
    for (int j = 0; j < LANES; j++)
        most[j] = largest(above[2 * j], above[2 * j + 1], below[2 * j], below[2 * j + 1], place + j);
    memcpy(out, most, (size_t)size * sizeof(float));
    memcpy(which, place, (size_t)size);
}

INLINE void pool_lanes_gradient(const float *gradient, const uint8_t *which, int64_t size, float *top, float *bottom) {
    float g[LANES] = {0}, above[2 * LANES], below[2 * LANES];
    uint8_t place[LANES] = {0};
    memcpy(g, gradient, (size_t)size * sizeof(float));
    memcpy(place, which, (size_t)size);
    SIMD()
    for (int j = 0; j < LANES; j++) {
        const float value = g[j];
        const int32_t at = place[j];
        above[2 * j] = at == 0 ? value : 0;
        above[2 * j + 1] = at == 1 ? value : 0;
        below[2 * j] = at == 2 ? value : 0;
        below[2 * j + 1] = at == 3 ? value : 0;
    }
    memcpy(top, above, (size_t)(2 * size) * sizeof(float));
    memcpy(bottom, below, (size_t)(2 * size) * sizeof(float));
}

FOR_EACH_PROCESSOR
static void pool_images(const float *restrict x, int64_t images, int64_t height, int64_t width, int64_t inner,
                        float *restrict out, uint8_t *restrict which) {
    const int64_t across = width / 2, line = width * inner;
    for (int64_t i = 0; i < images; i++)
        for (int64_t row = 0; row < height / 2; row++, out += across * inner, which += across * inner) {
            const float *top = x + (i * height + 2 * row) * line, *bottom = top + line;
            if (inner == 1) {
                for (int64_t j = 0; j < across; j += LANES)
                    pool_lanes(top + 2 * j, bottom + 2 * j, across - j < LANES ? across - j : LANES, out + j, which + j);
                continue;
            }
            for (int64_t j = 0; j < across; j++) {
                const float *left = top + 2 * j * inner, *under = bottom + 2 * j * inner;
                SIMD()
                for (int64_t c = 0; c < inner; c++)
                    out[j * inner + c] =
                        largest(left[c], left[inner + c], under[c], under[inner + c], which + j * inner + c);
            }
        }
}

FOR_EACH_PROCESSOR
static void pool_images_gradient(const float *restrict gradient, const uint8_t *restrict which, int64_t images,
                                 int64_t height, int64_t width, int64_t inner, float *restrict result) {
    const int64_t across = width / 2, line = width * inner;
    if (height % 2 || width % 2) memset(result, 0, (size_t)(images * height * line) * sizeof(float));
    for (int64_t i = 0; i < images; i++)
        for (int64_t row = 0; row < height / 2; row++, gradient += across * inner, which += across * inner) {
            float *top = result + (i * height + 2 * row) * line, *bottom = top + line;
            if (inner == 1) {
                for (int64_t j = 0; j < across; j += LANES)
                    pool_lanes_gradient(gradient + j, which + j, across - j < LANES ? across - j : LANES, top + 2 * j,
                                        bottom + 2 * j);
                continue;
            }
            for (int64_t j = 0; j < across; j++) {
                const float *g = gradient + j * inner;
                const uint8_t *place = which + j * inner;
                float *left = top + 2 * j * inner, *under = bottom + 2 * j * inner;
                SIMD()
                for (int64_t c = 0; c < inner; c++) {
                    left[c] = place[c] == 0 ? g[c] : 0;
                    left[inner + c] = place[c] == 1 ? g[c] : 0;
                    under[c] = place[c] == 2 ? g[c] : 0;
                    under[inner + c] = place[c] == 3 ? g[c] : 0;
                }
            }
        }
}

/* Mean and sum of squared distances from it of `width` <= LANES channels of a few rows. */
INLINE void block_moments(const float *x, int64_t rows, int64_t channels, int64_t width, float *mean, float *squares) {
    float sum[LANES] = {0}, square[LANES] = {0};
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < width; c++) sum[c] += x[i * channels + c];
    for (int64_t c = 0; c < width; c++) mean[c] = sum[c] / (float)rows;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < width; c++) {
            const float distance = x[i * channels + c] - mean[c];
            square[c] += distance * distance;
        }
    memcpy(squares, square, sizeof(square));
}

/* Mean of each channel, and the sum of squared distances from it: of the blocks, put together. */
FOR_EACH_PROCESSOR
static void moments_of(const float *x, int64_t rows, int64_t channels, double *mean, double *squares) {
    float part_mean[LANES], part_squares[LANES];
    for (int64_t first = 0; first < channels; first += LANES) {
        const int64_t width = channels - first < LANES ? channels - first : LANES;
        for (int64_t c = first; c < first + width; c++) mean[c] = squares[c] = 0;
        for (int64_t start = 0; start < rows; start += BLOCK) {
            const int64_t size = rows - start < BLOCK ? rows - start : BLOCK;
            const float *block = x + start * channels + first;
            if (width == LANES)
                block_moments(block, size, channels, LANES, part_mean, part_squares);
            else
                block_moments(block, size, channels, width, part_mean, part_squares);
            const double whole = (double)(start + size), share = (double)size / whole;
            for (int64_t c = 0; c < width; c++) {
                const double apart = part_mean[c] - mean[first + c];
                squares[first + c] += part_squares[c] + apart * apart * (double)start * share;
                mean[first + c] += apart * share;
            }
        }
    }
}

/* max(x * factor + constant + added, 0). */
FOR_EACH_PROCESSOR
static void normalize_rows(const float *restrict x, const float *restrict added, int64_t rows, int64_t channels,
                           const float *restrict factor, const float *restrict constant, float *restrict out) {
    for (int64_t i = 0; i < rows; i++) {
        const float *from = x + i * channels, *more = added ? added + i * channels : NULL;
        float *to = out + i * channels;
        if (added) {
            SIMD()
            for (int64_t c = 0; c < channels; c++) {
                const float value = from[c] * factor[c] + constant[c] + more[c];
                to[c] = value <= 0 ? 0 : value;
            }
        } else {
            SIMD()
            for (int64_t c = 0; c < channels; c++) {
                const float value = from[c] * factor[c] + constant[c];
                to[c] = value <= 0 ? 0 : value;
            }
        }
    }
}

/* The gradient where the ReLU is open: by its output, or without one by what it was computed from. */
INLINE float opened_at(float gradient, const float *out, int64_t at, float x, float factor, float constant) {
    const float value = out ? out[at] : x * factor + constant;
    return value <= 0 ? 0 : gradient;
}

/* Of a few rows of `width` channels: sums of g and of g * (x - mean), g the gradient where the ReLU is open. */
INLINE void block_sums(const float *gradient, const float *out, const float *x, const float *mean, const float *factor,
                       const float *constant, int64_t rows, int64_t channels, int64_t width, float *opened, float *sum,
                       float *product) {
    float total[LANES] = {0}, crossed[LANES] = {0}, center[LANES] = {0}, by[LANES] = {0}, plus[LANES] = {0};
    for (int64_t c = 0; c < width; c++) center[c] = mean[c], by[c] = factor[c], plus[c] = constant[c];
    for (int64_t i = 0; i < rows; i++) {
        float values[LANES] = {0};
        for (int64_t c = 0; c < width; c++) {
            const int64_t at = i * channels + c;
            const float g = opened_at(gradient[at], out, at, x[at], by[c], plus[c]);
            total[c] += g;
            crossed[c] += g * (x[at] - center[c]);
            values[c] = g;
        }
        if (opened) memcpy(opened + i * channels, values, (size_t)width * sizeof(float));
    }
    memcpy(sum, total, sizeof(total));
    memcpy(product, crossed, sizeof(crossed));
}

FOR_EACH_PROCESSOR
static void norm_sums_of(const float *gradient, const float *out, const float *x, const float *mean, const float *factor,
                         const float *constant, int64_t rows, int64_t channels, float *opened, double *sums,
                         double *products) {
    float sum[LANES], product[LANES];
    for (int64_t c = 0; c < channels; c++) sums[c] = products[c] = 0;
    for (int64_t start = 0; start < rows; start += BLOCK) {
        const int64_t size = rows - start < BLOCK ? rows - start : BLOCK;
        for (int64_t first = 0; first < channels; first += LANES) {
            const int64_t width = channels - first < LANES ? channels - first : LANES, at = start * channels + first;
            const float *center = mean + first, *by = factor + first, *plus = constant + first;
            if (width == LANES && out)
                block_sums(gradient + at, out + at, x + at, center, by, plus, size, channels, LANES, opened + at, sum, product);
            else if (width == LANES)
                block_sums(gradient + at, NULL, x + at, center, by, plus, size, channels, LANES, NULL, sum, product);
            else
                block_sums(gradient + at, out ? out + at : NULL, x + at, center, by, plus, size, channels, width,
                           opened ? opened + at : NULL, sum, product);
            for (int64_t c = 0; c < width; c++) {
                sums[first + c] += sum[c];
                products[first + c] += product[c];
            }
        }
    }
}

/* g * factor + x * slope + shift; g is the gradient, where `closing` only in so far as the ReLU is open. */
FOR_EACH_PROCESSOR
static void norm_gradient_rows(const float *restrict gradient, int closing, const float *restrict x, int64_t rows,
                               int64_t channels, const float *restrict factor, const float *restrict constant,
                               const float *restrict slope, const float *restrict shift, float *restrict result) {
    for (int64_t i = 0; i < rows; i++) {
        const float *g = gradient + i * channels, *from = x + i * channels;
        float *to = result + i * channels;
        SIMD()
        for (int64_t c = 0; c < channels; c++) {
            const int closed = closing && from[c] * factor[c] + constant[c] <= 0;
            to[c] = (closed ? 0 : g[c]) * factor[c] + from[c] * slope[c] + shift[c];
        }
    }
}

/* A batch normalisation whose rows several threads share. `sums` (parts, 2, channels) are of each part, `constants`
 * (2, channels) the normalisation's factor and constant; see norm and norm_gradient for the others. */
typedef struct {
    int64_t rows, channels;
    long parts;
    const float *x, *added, *gradient, *out;
    const float *constants, *center, *slopes;
    float *result, *opened;
    double *sums;
} Norm;

static int64_t first_row(const Norm *norm, long part) { return norm->rows * part / norm->parts; }
static int64_t rows_in(const Norm *norm, long part) { return first_row(norm, part + 1) - first_row(norm, part); }
static double *sums_in(const Norm *norm, long part) { return norm->sums + 2 * part * norm->channels; }

static void find_moments(void *work, long part) {
    const Norm *norm = work;
    double *mean = sums_in(norm, part);
    moments_of(norm->x + first_row(norm, part) * norm->channels, rows_in(norm, part), norm->channels, mean,
               mean + norm->channels);
}

static void normalize(void *work, long part) {
    const Norm *norm = work;
    const int64_t at = first_row(norm, part) * norm->channels, channels = norm->channels;
    normalize_rows(norm->x + at, norm->added ? norm->added + at : NULL, rows_in(norm, part), channels, norm->constants,
                   norm->constants + channels, norm->result + at);
}

static void add_gradients(void *work, long part) {
    const Norm *norm = work;
    const int64_t at = first_row(norm, part) * norm->channels, channels = norm->channels;
    double *sums = sums_in(norm, part);
    norm_sums_of(norm->gradient + at, norm->out ? norm->out + at : NULL, norm->x + at, norm->center, norm->constants,
                 norm->constants + channels, rows_in(norm, part), channels, norm->opened ? norm->opened + at : NULL, sums,
                 sums + channels);
}

static void find_gradient(void *work, long part) {
    const Norm *norm = work;
    const int64_t at = first_row(norm, part) * norm->channels, channels = norm->channels;
    const float *gradient = norm->opened ? norm->opened : norm->gradient;
    norm_gradient_rows(gradient + at, !norm->opened, norm->x + at, rows_in(norm, part), channels, norm->constants,
                       norm->constants + channels, norm->slopes, norm->slopes + channels, norm->result + at);
}

/* Mean and sum of squared distances from it of all rows of channel `c`, put together of the parts'. */
static void combine(const Norm *norm, int64_t c, double *mean, double *squares) {
    *mean = *squares = 0;
    for (long part = 0; part < norm->parts; part++) {
        const double *of_part = sums_in(norm, part), before = (double)first_row(norm, part);
        const double share = (double)rows_in(norm, part) / (double)first_row(norm, part + 1), apart = of_part[c] - *mean;
        *squares += of_part[norm->channels + c] + apart * apart * before * share;
        *mean += apart * share;
    }
}

#if defined(__GNUC__)
#define HAS_CONVOLUTION 1
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

enum { AHEAD = 2 * LANES };    /* positions that are computed together */
enum { MOST_FILTERS = 8 };     /* filters that are, where the kernel goes over them */
enum { FILTERS = 4 };          /* filters that are, where their gradient is computed */
enum { MOST_KERNEL = 5 };

/* A convolution without stride; images are padded to height x width. */
typedef struct {
    int64_t images, channels, filters, kernel, padding, height, width;
} Convolution;

static int64_t out_height(const Convolution *c) { return c->height - c->kernel + 1; }
static int64_t out_width(const Convolution *c) { return c->width - c->kernel + 1; }
/* Of a plane as a long row, without what stands after its last pixel. */
static int64_t positions(const Convolution *c) { return (out_height(c) - 1) * c->width + out_width(c); }
static int64_t filled(const Convolution *c) { return (positions(c) + AHEAD - 1) / AHEAD * AHEAD; }
/* Room for the padded planes of an image; the last positions read beyond them, where zeros must be. */
static int64_t room(const Convolution *c) { return c->channels * c->height * c->width + filled(c) + AHEAD; }

/* An image into the middle of its padded planes. */
static void pad(const Convolution *c, const float *image, float *planes) {
    const int64_t height = c->height - 2 * c->padding, width = c->width - 2 * c->padding;
    for (int64_t channel = 0; channel < c->channels; channel++)
        for (int64_t row = 0; row < height; row++, image += width)
            memcpy(planes + (channel * c->height + row + c->padding) * c->width + c->padding, image,
                   (size_t)width * sizeof(float));
}

/* `block` filters, whose weights (channels, kernel, kernel, block) lie together, at all positions of one image. */
INLINE void convolve_block(const Convolution *c, const float *planes, const float *weight, const float *bias, int block,
                           int kernel, float *flat) {
    const int64_t plane = c->height * c->width, all = filled(c);
    for (int64_t at = 0; at < all; at += AHEAD) {
        Lanes sum[MOST_FILTERS][2];
#pragma GCC unroll 8
        for (int o = 0; o < block; o++) sum[o][0] = sum[o][1] = (Lanes){0} + bias[o];
        const float *w = weight;
        for (int64_t channel = 0; channel < c->channels; channel++)
            for (int row = 0; row < kernel; row++)
                for (int column = 0; column < kernel; column++, w += block) {
                    const float *x = planes + channel * plane + row * c->width + column + at;
                    const Lanes first = *(const Lanes *)x, second = *(const Lanes *)(x + LANES);
#pragma GCC unroll 8
                    for (int o = 0; o < block; o++) {
                        sum[o][0] += first * w[o];
                        sum[o][1] += second * w[o];
                    }
                }
#pragma GCC unroll 8
        for (int o = 0; o < block; o++) {
            *(Lanes *)(flat + o * all + at) = sum[o][0];
            *(Lanes *)(flat + o * all + at + LANES) = sum[o][1];
        }
    }
}

/* weight (filters, channels, kernel, kernel) as blocks of filters that lie together, filled up with zeros. */
static void pack(const Convolution *c, const float *weight, const float *bias, int block, float *packed, float *biases) {
    const int64_t taps = c->channels * c->kernel * c->kernel;
    for (int64_t first = 0; first < c->filters; first += block)
        for (int o = 0; o < block; o++) {
            const int exists = first + o < c->filters;
            biases[first + o] = exists && bias ? bias[first + o] : 0;
            for (int64_t tap = 0; tap < taps; tap++)
                packed[(first * taps) + tap * block + o] = exists ? weight[(first + o) * taps + tap] : 0;
        }
}

FOR_EACH_PROCESSOR
static void convolve_images(const Convolution *c, const float *x, const float *packed, const float *biases, int block,
                            float *planes, float *flat, float *out) {
    const int64_t taps = c->channels * c->kernel * c->kernel, all = filled(c);
    const int64_t size = c->channels * (c->height - 2 * c->padding) * (c->width - 2 * c->padding);
    for (int64_t image = 0; image < c->images; image++) {
        pad(c, x + image * size, planes);
        for (int64_t first = 0; first < c->filters; first += block) {
            const float *w = packed + first * taps, *b = biases + first;
            if (block == 6 && c->kernel == 5)
                convolve_block(c, planes, w, b, 6, 5, flat);
            else if (block == 6)
                convolve_block(c, planes, w, b, 6, 3, flat);
            else if (c->kernel == 5)
                convolve_block(c, planes, w, b, 8, 5, flat);
            else
                convolve_block(c, planes, w, b, 8, 3, flat);
            for (int64_t o = 0; o < block && first + o < c->filters; o++)
                for (int64_t row = 0; row < out_height(c); row++, out += out_width(c))
                    memcpy(out, flat + o * all + row * c->width, (size_t)out_width(c) * sizeof(float));
        }
    }
}

/* FILTERS filters' sums over the positions of an image of gradient times input, for a row of the kernel. */
INLINE void add_products(const float *flat, int64_t all, const float *x, int kernel, Lanes *sums) {
    Lanes sum[FILTERS][MOST_KERNEL];
#pragma GCC unroll 4
    for (int o = 0; o < FILTERS; o++)
#pragma GCC unroll 5
        for (int k = 0; k < kernel; k++) sum[o][k] = sums[o * kernel + k];
    for (int64_t at = 0; at < all; at += LANES) {
        Lanes g[FILTERS];
#pragma GCC unroll 4
        for (int o = 0; o < FILTERS; o++) g[o] = *(const Lanes *)(flat + o * all + at);
#pragma GCC unroll 5
        for (int k = 0; k < kernel; k++) {
            const Lanes input = *(const Lanes *)(x + at + k);
#pragma GCC unroll 4
            for (int o = 0; o < FILTERS; o++) sum[o][k] += g[o] * input;
        }
    }
#pragma GCC unroll 4
    for (int o = 0; o < FILTERS; o++)
#pragma GCC unroll 5
        for (int k = 0; k < kernel; k++) sums[o * kernel + k] = sum[o][k];
}

/* The gradient by the weights, (filters, channels, kernel, kernel); `flat` and `sums` have whole groups of FILTERS. */
FOR_EACH_PROCESSOR
static void convolve_weight_gradient(const Convolution *c, const float *x, const float *gradient, float *planes,
                                     float *flat, Lanes *sums, float *result) {
    const int64_t kernel = c->kernel, all = filled(c), plane = c->height * c->width, width = out_width(c);
    const int64_t size = c->channels * (c->height - 2 * c->padding) * (c->width - 2 * c->padding);
    const int64_t groups = (c->filters + FILTERS - 1) / FILTERS, together = FILTERS * kernel;
    for (int64_t image = 0; image < c->images; image++) {
        pad(c, x + image * size, planes);
        for (int64_t o = 0; o < c->filters; o++)
            for (int64_t row = 0; row < out_height(c); row++, gradient += width)
                memcpy(flat + o * all + row * c->width, gradient, (size_t)width * sizeof(float));
        Lanes *sum = sums;
        for (int64_t group = 0; group < groups; group++)
            for (int64_t channel = 0; channel < c->channels; channel++)
                for (int64_t row = 0; row < kernel; row++, sum += together) {
                    const float *from = planes + channel * plane + row * c->width, *g = flat + group * FILTERS * all;
                    if (kernel == 5)
                        add_products(g, all, from, 5, sum);
                    else
                        add_products(g, all, from, 3, sum);
                }
    }
    for (int64_t o = 0; o < c->filters; o++)
        for (int64_t channel = 0; channel < c->channels; channel++)
            for (int64_t row = 0; row < kernel; row++)
                for (int64_t k = 0; k < kernel; k++) {
                    const int64_t part = ((o / FILTERS * c->channels + channel) * kernel + row) * together;
                    const Lanes lanes = sums[part + o % FILTERS * kernel + k];
                    double total = 0;
                    for (int lane = 0; lane < LANES; lane++) total += lanes[lane];
                    *result++ = (float)total;
                }
}
#endif

#define ADDRESS(index) ((void *)(uintptr_t)a[index])

enum { MOST_ARGUMENTS = 11 };
typedef enum { DONE, NO_MEMORY, WRONG_KERNEL } Outcome;

/* images, height and width, numbers that lie together; x, out, which */
static Outcome run_pool(const int64_t *a) {
    pool_images(ADDRESS(4), a[0], a[1], a[2], a[3], ADDRESS(5), ADDRESS(6));
    return DONE;
}

/* images, height and width, numbers that lie together; gradient, which, result */
static Outcome run_pool_gradient(const int64_t *a) {
    pool_images_gradient(ADDRESS(4), ADDRESS(5), a[0], a[1], a[2], a[3], ADDRESS(6));
    return DONE;
}

#if HAS_CONVOLUTION
/* What both begin with: images, channels, height, width, filters, kernel, padding. */
static Convolution convolution(const int64_t *a) {
    return (Convolution){.images = a[0], .channels = a[1], .height = a[2] + 2 * a[6], .width = a[3] + 2 * a[6],
                         .filters = a[4], .kernel = a[5], .padding = a[6]};
}

static int right_kernel(const Convolution *c) {
    return (c->kernel == 3 || c->kernel == 5) && c->height >= c->kernel && c->width >= c->kernel;
}

/* ...; x, weight, bias, out */
static Outcome run_convolve(const int64_t *a) {
    const Convolution c = convolution(a);
    if (!right_kernel(&c)) return WRONG_KERNEL;
    const int block = c.filters <= 6 ? 6 : MOST_FILTERS;
    const int64_t filters = (c.filters + block - 1) / block * block, taps = c.channels * c.kernel * c.kernel;
    float *planes = calloc((size_t)(room(&c) + filters * (taps + 1) + block * filled(&c)), sizeof(float));
    if (!planes) return NO_MEMORY;
    float *packed = planes + room(&c), *biases = packed + filters * taps, *flat = biases + filters;
    pack(&c, ADDRESS(8), ADDRESS(9), block, packed, biases);
    convolve_images(&c, ADDRESS(7), packed, biases, block, planes, flat, ADDRESS(10));
    free(planes);
    return DONE;
}

/* ...; x, gradient, result: by the weights */
static Outcome run_convolve_gradient(const int64_t *a) {
    const Convolution c = convolution(a);
    if (!right_kernel(&c)) return WRONG_KERNEL;
    const int64_t filters = (c.filters + FILTERS - 1) / FILTERS * FILTERS, taps = c.channels * c.kernel * c.kernel;
    float *sums = calloc((size_t)(filters * taps * LANES + room(&c) + filters * filled(&c)), sizeof(float));
    if (!sums) return NO_MEMORY;
    float *planes = sums + filters * taps * LANES, *flat = planes + room(&c);
    convolve_weight_gradient(&c, ADDRESS(7), ADDRESS(8), planes, flat, (Lanes *)sums, ADDRESS(9));
    free(sums);
    return DONE;
}
#endif

/* A part of a layer's work. */
typedef struct {
    Outcome (*run)(const int64_t *);
    Outcome outcome;
    int64_t arguments[MOST_ARGUMENTS];
} Part;

static void run_part(void *parts, long number) {
    Part *part = (Part *)parts + number;
    part->outcome = part->run(part->arguments);
}

/* Every part is a tuple of `wanted` whole numbers or addresses. */
static PyObject *call(const char *name, Outcome (*run)(const int64_t *), Py_ssize_t wanted, PyObject *const *parts,
                      Py_ssize_t count) {
    Part *work = malloc((size_t)count * sizeof(*work));
    if (!work) return PyErr_NoMemory();
    for (Py_ssize_t part = 0; part < count; part++) {
        work[part].run = run;
        if (!PyTuple_Check(parts[part]) || PyTuple_GET_SIZE(parts[part]) != wanted)
            PyErr_Format(PyExc_TypeError, "%s takes tuples of %zd numbers", name, wanted);
        for (Py_ssize_t i = 0; i < wanted && !PyErr_Occurred(); i++)
            work[part].arguments[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(parts[part], i));
        if (PyErr_Occurred()) {
            free(work);
            return NULL;
        }
    }
    Outcome outcome = DONE;
    Py_BEGIN_ALLOW_THREADS
    share_out(run_part, work, (long)count);
    for (Py_ssize_t part = 0; part < count; part++) outcome = work[part].outcome == DONE ? outcome : work[part].outcome;
    free(work);
    Py_END_ALLOW_THREADS
    if (outcome == NO_MEMORY) return PyErr_NoMemory();
    if (outcome == WRONG_KERNEL) {
        PyErr_SetString(PyExc_ValueError, "the kernel must be 3 or 5 and no larger than the padded image");
        return NULL;
    }
    Py_RETURN_NONE;
}

#define LAYER(name, wanted)                                                                   \
    static PyObject *name(PyObject *module, PyObject *const *parts, Py_ssize_t count) {       \
        (void)module;                                                                         \
        return call(#name, run_##name, wanted, parts, count);                                 \
    }
LAYER(pool, 7)
LAYER(pool_gradient, 7)
#if HAS_CONVOLUTION
LAYER(convolve, 11)
LAYER(convolve_gradient, 10)
#endif

#define POINTER(index) ((void *)(uintptr_t)PyLong_AsUnsignedLongLong(args[index]))
#define WHOLE(index) PyLong_AsLongLong(args[index])

/* What both begin with: rows, channels, parts; x. Room for the parts' sums and `more` numbers of each channel. */
static int begin_norm(const char *name, PyObject *const *args, Py_ssize_t count, Py_ssize_t wanted, int more, Norm *norm) {
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", name, wanted, count);
        return 0;
    }
    *norm = (Norm){.rows = WHOLE(0), .channels = WHOLE(1), .parts = (long)WHOLE(2), .x = POINTER(3)};
    if (PyErr_Occurred()) return 0;
    if (norm->parts < 1 || norm->parts > norm->rows) norm->parts = 1;
    norm->sums = malloc((size_t)((2 * norm->parts + more) * norm->channels) * sizeof(double));
    if (!norm->sums) PyErr_NoMemory();
    return norm->sums != NULL;
}

/* norm(rows, channels, parts, x, added, weight, bias, eps, constants, moments, kept, result): `constants` (2, C) and
 * `kept` (2, C) float64, the mean and the inverse deviation, are for the gradient; `moments` (2, C) are the mean and the
 * unbiased variance. */
static PyObject *norm(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    Norm norm;
    if (!begin_norm("norm", args, count, 12, 0, &norm)) return NULL;
    norm.added = POINTER(4);
    const float *weight = POINTER(5), *bias = POINTER(6);
    const double eps = PyFloat_AsDouble(args[7]);
    float *constants = POINTER(8), *moments = POINTER(9);
    double *kept = POINTER(10);
    norm.result = POINTER(11);
    norm.constants = constants;
    if (!PyErr_Occurred()) {
        Py_BEGIN_ALLOW_THREADS
        share_out(find_moments, &norm, norm.parts);
        for (int64_t c = 0; c < norm.channels; c++) {
            double mean, squares;
            combine(&norm, c, &mean, &squares);
            const double inverse = 1 / sqrt(squares / (double)norm.rows + eps), factor = weight[c] * inverse;
            constants[c] = (float)factor;
            constants[norm.channels + c] = (float)(bias[c] - mean * factor);
            moments[c] = (float)mean;
            moments[norm.channels + c] = (float)(squares / (double)(norm.rows - 1));
            kept[c] = mean;
            kept[norm.channels + c] = inverse;
        }
        share_out(normalize, &norm, norm.parts);
        Py_END_ALLOW_THREADS
    }
    free(norm.sums);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

/* norm_gradient(rows, channels, parts, x, gradient, out, weight, constants, kept, opened, result, by_parameters): with an
 * addition `out` is the layer's output and `opened` gets the gradient by what was added, without both are 0;
 * `by_parameters` (2, C) are the gradients by weight and bias. */
static PyObject *norm_gradient(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    Norm norm;
    if (!begin_norm("norm_gradient", args, count, 12, 2, &norm)) return NULL;
    norm.gradient = POINTER(4);
    norm.out = POINTER(5);
    const float *weight = POINTER(6);
    norm.constants = POINTER(7);
    const double *kept = POINTER(8);
    norm.opened = POINTER(9);
    norm.result = POINTER(10);
    float *by_parameters = POINTER(11);
    if (!PyErr_Occurred()) {
        const int64_t channels = norm.channels;
        float *center = (float *)(norm.sums + 2 * norm.parts * channels), *slopes = center + channels;
        norm.center = center;
        norm.slopes = slopes;
        Py_BEGIN_ALLOW_THREADS
        for (int64_t c = 0; c < channels; c++) center[c] = (float)kept[c];
        share_out(add_gradients, &norm, norm.parts);
        for (int64_t c = 0; c < channels; c++) {
            double sum = 0, product = 0;
            for (long part = 0; part < norm.parts; part++) {
                sum += sums_in(&norm, part)[c];
                product += sums_in(&norm, part)[channels + c];
            }
            const double mean = kept[c], inverse = kept[channels + c], factor = weight[c] * inverse;
            product += (center[c] - mean) * sum; /* the distances were from the rounded mean */
            const double slope = -factor * inverse * inverse * product / (double)norm.rows;
            slopes[c] = (float)slope;
            slopes[channels + c] = (float)(-factor * sum / (double)norm.rows - slope * mean);
            by_parameters[c] = (float)(product * inverse);
            by_parameters[channels + c] = (float)sum;
        }
        share_out(find_gradient, &norm, norm.parts);
        Py_END_ALLOW_THREADS
    }
    free(norm.sums);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

#define FUNCTION(name, text) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, text}
static PyMethodDef functions[] = {
    {"threads_of", threads_of, METH_O, "Share the parts out by the OpenMP function at an address."},
    FUNCTION(pool, "2x2 max pooling and ReLU."),
    FUNCTION(pool_gradient, "Gradient of pool by its input."),
#if HAS_CONVOLUTION
    FUNCTION(convolve, "Convolution without stride, of few channels."),
    FUNCTION(convolve_gradient, "Its gradient by the weights."),
#endif
    FUNCTION(norm, "Batch normalisation, with another tensor added, after a ReLU."),
    FUNCTION(norm_gradient, "Its gradients."),
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_layers", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__layers(void) { return PyModule_Create(&definition); }
