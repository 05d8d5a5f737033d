/* Losses of a batch of float32 logits and their gradients, one pass over each row.
 *
 * A row of logits z with the label y becomes x = scale * scales * z + offset - margin_y * onehot_y, log p = log softmax(x).
 * A row stays in the cache from its maximum to its gradient, where a graph of tensor operations goes over memory several
 * times and pays for each operation.
 *
 * `rows` adds up, over the samples,
 *
 *     L = w_y * (1 - e + e / C) * T(log p_y) + e / C * sum_{j != y} w_j * O(log p_j),    e = eps or smoothing_y
 *
 * `regions` takes a mean over the samples, sum w_y * T(log p_y) / sum w_y, and a mean over the classes of a term R of
 *
 *     TP_c = sum_i [y_i = c] * s_ic,   predicted_c = sum_i s_ic,   actual_c = sum_i [y_i = c],   s = (1 - p)^alpha * p
 *
 * T is a `Term`, O an `Other`, R a `Region`: the formulas of the losses' `target_term`, `other_term` and `class_term`.
 * Pointers are numbers, 0 where there is none; the caller keeps the memory alive and of the right type and size.
 */
#include "_loops.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 1 << 14 }; /* logits up to which a batch is short work */

/* The numbers are those of tailwise.losses._fused. */
typedef enum { TERM_NONE, TERM_CROSS_ENTROPY, TERM_FOCAL, TERM_PENALTY, TERM_CYCLICAL, TERM_POLY, TERM_INFLUENCE } Term;
typedef enum { OTHER_NONE, OTHER_LINEAR, OTHER_FOCUSED } Other;
typedef enum { REGION_DICE, REGION_TVERSKY } Region;

typedef struct {
    Term term;
    double a, b, c, d;
    const float *strength; /* (C), by default 1 for every class */
    double factor;         /* of the whole term */
} OwnTerm;

typedef struct {
    int64_t classes, ignored;
    double scale;
    const float *scales, *offset, *margin, *weight; /* (C), each with `scale` a factor of its own class */
    OwnTerm own;
} Loss;

/* How the other classes of a sample count, each by its own weight: those of class `rare` not at all where they are drawn
 * to be left out, or as in the seesaw loss by what is known of the counts. x is then z and the logarithm of the weight. */
typedef struct {
    const int32_t *rare; /* (C), filled up to whole vectors */
    int64_t limit, seed; /* of a draw; see `drawn` */
    double mitigation, compensation, log_eps;
    double *seen;      /* (C): the samples of each class, to which those of the batch are added where it `counts` */
    float *log_counts; /* (C): log max(seen, 1), computed where there are some */
    const float *shares; /* (C): count^mitigation as a share of the largest, for `seesaw_softmax`; NULL where it is not for it */
    int counts;
} Negatives;

typedef struct {
    Other other;
    double gamma, eta, eps;
    const float *smoothing; /* (C), in place of eps */
} Spread;

/* What GALA has gathered, (C) each; its constants go to `constants` (2, C). */
typedef struct {
    double *theta, *phi, *latest;
    double eps, positive, negative;
    float *constants;
} State;

INLINE double power(double base, double exponent) {
    if (exponent == 0) return 1;
    if (exponent == 1) return base;
    if (exponent == 2) return base * base;
    if (exponent == 3) return base * base * base;
    return pow(base, exponent);
}

/* The softmax of a row, as far as its own class is concerned; q = 1 - p is exact near p = 1 as well. */
typedef struct {
    double sum, log_sum, p, q, log_p;
} Softmax;

/* T(log p) / factor of a sample of class `label`, and its derivative with respect to log p. */
INLINE double bare_term(const OwnTerm *own, int64_t label, const Softmax *softmax, double *slope) {
    const double p = softmax->p, log_p = softmax->log_p, q = softmax->q > EPSILON ? softmax->q : EPSILON;
    const double strength = own->strength ? own->strength[label] : 1;
    if (own->term == TERM_CROSS_ENTROPY) {
        *slope = -strength;
        return -strength * log_p;
    }
    if (own->term == TERM_FOCAL) { /* exponent a; where log p < b the value is c * exp(d * (log p - b)) instead */
        if (log_p < own->b) {
            const double corrected = strength * own->c * exp(own->d * (log_p - own->b));
            *slope = own->d * corrected;
            return corrected;
        }
        const double factor = strength * power(q, own->a);
        *slope = own->a * factor / q * p * log_p - factor;
        return -factor * log_p;
    }
    if (own->term == TERM_PENALTY) { /* exponent (a * q + b) * K, margin c, with d the factor has no gradient */
        const double exponent = (own->a * q + own->b) * strength, log_q = log(q);
        const double factor = exp(exponent * log_q), shift = strength * own->c;
        double log_phi = log_p, share = 1; /* d log phi / d log p */
        if (shift > 0) {
            const double phi = p + shift;
            log_phi = phi < 1 ? log(phi) : 0;
            share = phi < 1 ? p / phi : 0;
        }
        *slope = -factor * share;
        if (own->d == 0) *slope += p * factor * log_phi * (own->a * strength * log_q + exponent / q);
        return -factor * log_phi;
    }
    if (own->term == TERM_CYCLICAL) { /* exponents a of 1 - p and b of 1 + p, the share c of the second */
        const double focal = power(q, own->a), confident = power(1 + p, own->b);
        const double factor = (1 - own->c) * focal + own->c * confident;
        const double change = own->c * own->b * confident / (1 + p) - (1 - own->c) * own->a * focal / q;
        *slope = -factor - p * change * log_p;
        return -factor * log_p;
    }
    if (own->term == TERM_POLY) { /* exponent a, b of the first term of the expansion in 1 - p more */
        const double factor = power(q, own->a);
        *slope = own->a * factor / q * p * log_p - factor - (own->a + 1) * own->b * factor * p;
        return factor * (own->b * q - log_p);
    }
    if (own->term == TERM_INFLUENCE) { /* factor a over the influence 2 * q * d and b, exponent c */
        const double factor = own->a / (2 * q * own->d + own->b), focal = power(q, own->c);
        const double by_q = q > EPSILON ? own->c * focal / q - focal * factor / own->a * 2 * own->d : 0;
        *slope = factor * (by_q * p * log_p - focal);
        return -factor * focal * log_p;
    }
    *slope = 0;
    return 0;
}

/* T(log p), and dT / d log p. */
INLINE double own_term(const OwnTerm *own, int64_t label, const Softmax *softmax, double *slope) {
    const double value = own->factor * bare_term(own, label, softmax, slope);
    *slope *= own->factor;
    return value;
}

/* x of one row into `x`, filled up with -inf, and its maximum; x of the label into `own`. */
INLINE float adjusted(const Loss *loss, const float *z, int64_t label, float *x, float *own) {
    const int64_t classes = loss->classes;
    const float scale = (float)loss->scale;
    const float *offset = loss->offset;
    float top = -INFINITY;
    if (loss->scales) {
        const float *scales = loss->scales;
        SIMD(reduction(max : top))
        for (int64_t j = 0; j < classes; j++) {
            x[j] = scale * scales[j] * z[j] + (offset ? offset[j] : 0);
            top = x[j] > top ? x[j] : top;
        }
    } else if (offset) {
        SIMD(reduction(max : top))
        for (int64_t j = 0; j < classes; j++) {
            x[j] = scale * z[j] + offset[j];
            top = x[j] > top ? x[j] : top;
        }
    } else {
        SIMD(reduction(max : top))
        for (int64_t j = 0; j < classes; j++) {
            x[j] = scale * z[j];
            top = x[j] > top ? x[j] : top;
        }
    }
    if (loss->margin) {
        const float before = x[label];
        x[label] -= loss->margin[label];
        if (before == top) { /* it may no longer be the largest */
            top = -INFINITY;
            SIMD(reduction(max : top))
            for (int64_t j = 0; j < classes; j++) top = x[j] > top ? x[j] : top;
        } else if (x[label] > top) {
            top = x[label];
        }
    }
    for (int64_t j = classes; j < padded(classes); j++) x[j] = -INFINITY;
    *own = x[label];
    return top;
}

/* The key of a row's draws: near seeds and near rows have far keys. */
INLINE uint64_t key_of(int64_t seed, int64_t row) {
    uint64_t key = (uint64_t)seed + ((uint64_t)row + 1) * 0x9e3779b97f4a7c15u;
    key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
    key = (key ^ key >> 27) * 0x94d049bb133111ebu;
    return key ^ key >> 31;
}

/* A number below 2^24 for each class of a row, all equally likely: a hash of 32 bits, which vector code computes. */
INLINE uint32_t drawn(uint64_t key, uint32_t class) {
    uint32_t h = (class ^ (uint32_t)key) + (uint32_t)(key >> 32);
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return (h ^ h >> 16) >> 8;
}

/* As `adjusted` for the logits with weighted negatives, of the row at `place` in the batch. */
INLINE float with_negatives(const Loss *loss, const Negatives *negatives, const float *z, int64_t label, int64_t place,
                            float *x, float *own) {
    const int64_t classes = loss->classes, filled = padded(classes);
    float top = -INFINITY;
    *own = z[label];
    memcpy(x, z, (size_t)classes * sizeof(float));
    for (int64_t j = classes; j < filled; j++) x[j] = -INFINITY;
    if (negatives->rare) {
        const int32_t *rare = negatives->rare, limit = (int32_t)negatives->limit;
        const uint64_t key = key_of(negatives->seed, place);
        SIMD(reduction(max : top))
        for (int64_t j = 0; j < filled; j++) {
            x[j] = (rare[j] != 0) & ((int32_t)drawn(key, (uint32_t)j) < limit) ? -INFINITY : x[j];
            top = x[j] > top ? x[j] : top;
        }
        x[label] = *own;
        top = *own > top ? *own : top;
    } else {
        const float *log_counts = negatives->log_counts;
        SIMD(reduction(max : top))
        for (int64_t j = 0; j < filled; j++) top = x[j] > top ? x[j] : top;
        double sum = 0;
        for (int64_t start = 0; start < filled; start += BLOCK) {
            const int64_t end = start + BLOCK < filled ? start + BLOCK : filled;
            float part = 0;
            SIMD(reduction(+ : part))
            for (int64_t j = start; j < end; j++) part += exp_of_negative(x[j] - top);
            sum += part;
        }
        /* log s_j - log max(s_y, eps) is z_j less this. */
        const float least = top + log_of((float)sum) + (float)negatives->log_eps, floor = *own > least ? *own : least;
        const float mitigation = (float)negatives->mitigation, compensation = (float)negatives->compensation;
        const float own_count = log_counts[label];
        top = -INFINITY;
        SIMD(reduction(max : top))
        for (int64_t j = 0; j < classes; j++) {
            const float rarer = log_counts[j] - own_count, likelier = x[j] - floor;
            x[j] += mitigation * (rarer < 0 ? rarer : 0) + compensation * (likelier > 0 ? likelier : 0);
            top = x[j] > top ? x[j] : top;
        }
        /* The own class stays as it is: neither rarer than itself nor likelier than the floor. */
    }
    return top;
}

/* exp(x - top) in place of x; their sum. */
INLINE double exponentials(float *x, int64_t classes, float top) {
    double sum = 0;
    const int64_t groups = padded(classes) / LANES;
    for (int64_t start = 0; start < groups; start += BLOCK / LANES) {
        const int64_t end = start + BLOCK / LANES < groups ? start + BLOCK / LANES : groups;
        float part = 0, *block = x + start * LANES;
        SIMD(reduction(+ : part))
        for (int64_t j = 0; j < (end - start) * LANES; j++) {
            block[j] = exp_of_negative(block[j] - top);
            part += block[j];
        }
        sum += part;
    }
    return sum;
}

/* exp(x - top) in place of x. The own class is left out of the sum in float32, where it would hide small others. */
INLINE Softmax softmax_of(float *x, int64_t classes, float top, int64_t label, float own) {
    x[label] = -INFINITY;
    const double others = exponentials(x, classes, top);
    x[label] = exp_of_negative(own - top);
    const double sum = others + x[label], log_sum = own == top ? log1p(others) : log(sum);
    return (Softmax){sum, log_sum, x[label] / sum, others / sum, (double)own - top - log_sum};
}

/* The softmax with the weights of the seesaw loss, and its exponentials in x: weights are products of exponentials, so that
 * each is computed once. For a compensation of 0, 1 or 2. */
INLINE Softmax seesaw_softmax(const Loss *loss, const Negatives *negatives, const float *z, int64_t label, float *x) {
    const int64_t classes = loss->classes, filled = padded(classes);
    const float *shares = negatives->shares, own = z[label];
    float top = -INFINITY;
    memcpy(x, z, (size_t)classes * sizeof(float));
    for (int64_t j = classes; j < filled; j++) x[j] = -INFINITY;
    SIMD(reduction(max : top))
    for (int64_t j = 0; j < filled; j++) top = x[j] > top ? x[j] : top;
    const double all = exponentials(x, classes, top);
    const float own_part = x[label], least = (float)(all * exp(negatives->log_eps));
    const float per_floor = 1 / (own_part > least ? own_part : least), per_share = 1 / shares[label];
    const float once = negatives->compensation > 0 ? 1 : 0, twice = negatives->compensation > 1 ? 1 : 0;
    x[label] = 0;
    double others = 0;
    for (int64_t start = 0; start < classes; start += BLOCK) {
        const int64_t end = start + BLOCK < classes ? start + BLOCK : classes;
        float part = 0;
        SIMD(reduction(+ : part))
        for (int64_t j = start; j < end; j++) {
            const float rarer = shares[j] * per_share, likelier = x[j] * per_floor;
            const float more = likelier > 1 ? likelier - 1 : 0;
            x[j] *= (rarer < 1 ? rarer : 1) * (1 + once * more) * (1 + twice * more);
            part += x[j];
        }
        others += part;
    }
    x[label] = own_part;
    const double sum = others + own_part, log_sum = own == top ? log1p(others) : log(sum);
    return (Softmax){sum, log_sum, own_part / sum, others / sum, (double)own - top - log_sum};
}

/* sum_j w_j * (x_j - top), and sum_j w_j. */
INLINE void weighted_sums(const float *x, const float *weight, int64_t classes, float top, double *sum, double *total) {
    *sum = 0;
    *total = weight ? 0 : (double)classes;
    for (int64_t start = 0; start < classes; start += BLOCK) {
        const int64_t end = start + BLOCK < classes ? start + BLOCK : classes;
        float part = 0, weights = 0;
        if (weight) {
            SIMD(reduction(+ : part, weights))
            for (int64_t j = start; j < end; j++) {
                part += weight[j] * (x[j] - top);
                weights += weight[j];
            }
            *total += weights;
        } else {
            SIMD(reduction(+ : part))
            for (int64_t j = start; j < end; j++) part += x[j] - top;
        }
        *sum += part;
    }
}

/* sum_j w_j * ((1 - eta) * p_j^gamma + eta) * log p_j, and the derivative of each term with respect to log p_j. */
INLINE double focused_others(const Loss *loss, const Spread *spread, const float *z, float top, float log_sum, float *slopes,
                             double *slope_sum) {
    const int64_t classes = loss->classes;
    const float scale = (float)loss->scale, gamma = (float)spread->gamma, eta = (float)spread->eta;
    const float *offset = loss->offset, *weight = loss->weight;
    /* Filled up with p = 1, whose value is 0 and whose slope 1. */
    const int64_t filled = weight ? classes : padded(classes);
    double value = 0;
    *slope_sum = (double)(classes - filled);
    if (offset) {
        SIMD()
        for (int64_t j = 0; j < classes; j++) slopes[j] = scale * z[j] + offset[j] - top - log_sum;
    } else {
        SIMD()
        for (int64_t j = 0; j < classes; j++) slopes[j] = scale * z[j] - top - log_sum;
    }
    for (int64_t j = classes; j < filled; j++) slopes[j] = 0;
    for (int64_t start = 0; start < filled; start += BLOCK) {
        const int64_t end = start + BLOCK < filled ? start + BLOCK : filled;
        float values = 0, total = 0;
        if (weight) {
            SIMD(reduction(+ : values, total))
            for (int64_t j = start; j < end; j++) {
                const float log_p = slopes[j], focused = (1 - eta) * exp_of_negative(gamma * log_p);
                values += weight[j] * (focused + eta) * log_p;
                slopes[j] = weight[j] * (focused * (1 + gamma * log_p) + eta);
                total += slopes[j];
            }
        } else {
            SIMD(reduction(+ : values, total))
            for (int64_t j = start; j < end; j++) {
                const float log_p = slopes[j], focused = (1 - eta) * exp_of_negative(gamma * log_p);
                values += (focused + eta) * log_p;
                slopes[j] = focused * (1 + gamma * log_p) + eta;
                total += slopes[j];
            }
        }
        value += values;
        *slope_sum += total;
    }
    return value;
}

/* The loss of each row times `unit`, its gradient likewise, and the sum of the losses. Labels have been checked. Without
 * a gradient to keep, `stride` is 0 and every row's is computed in the same memory. */
INLINE double rows_of(const Loss *loss, const Spread *spread, const Negatives *negatives, int64_t place,
                      const float *logits, const int64_t *target, const float *lengths, int64_t rows, double unit,
                      float *gradient, int64_t stride, float *row_loss, double *received, float *x, float *slopes) {
    const int64_t classes = loss->classes;
    const int weighs = negatives->rare || negatives->log_counts;
    OwnTerm own_of_row = loss->own;
    const float *weight = loss->weight;
    const double step = unit * loss->scale; /* from a derivative by x to that of the result by z */
    double loss_sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        const float *z = logits + i * classes;
        float *g = gradient + i * stride;
        const int64_t label = target[i];
        if (label == loss->ignored) {
            memset(g, 0, (size_t)classes * sizeof(float));
            if (row_loss) row_loss[i] = 0;
            continue;
        }
        float own = 0, top = 0;
        if (!negatives->shares)
            top = weighs ? with_negatives(loss, negatives, z, label, place + i, x, &own) : adjusted(loss, z, label, x, &own);
        if (lengths) own_of_row.d = lengths[i];
        const double eps = spread->smoothing ? spread->smoothing[label] : spread->eps;
        const Other other = eps > 0 ? spread->other : OTHER_NONE;
        double linear_sum = 0, weight_sum = 0;
        if (other == OTHER_LINEAR) weighted_sums(x, weight, classes, top, &linear_sum, &weight_sum);
        const Softmax softmax = negatives->shares ? seesaw_softmax(loss, negatives, z, label, x)
                                                  : softmax_of(x, classes, top, label, own);
        const double sum = softmax.sum, log_sum = softmax.log_sum, log_p = softmax.log_p;
        const double own_weight = weight ? weight[label] : 1;
        if (received) received[label] += own_weight * softmax.q;
        double slope, value = own_weight * own_term(&own_of_row, label, &softmax, &slope);
        slope *= own_weight;
        const double share = eps / (double)classes;
        if (other != OTHER_NONE) {
            value *= 1 - eps + share;
            slope *= 1 - eps + share;
        }
        /* By x the derivative is that by log p less p times the sum of those by log p. */
        if (other == OTHER_NONE) {
            const float factor = (float)(-slope * step / sum);
            SIMD()
            for (int64_t j = 0; j < classes; j++) g[j] = x[j] * factor;
            g[label] = (float)(slope * step * softmax.q);
        } else if (other == OTHER_LINEAR) {
            value -= share * (linear_sum - weight_sum * log_sum - own_weight * log_p);
            const double total = slope - share * (weight_sum - own_weight);
            const float factor = (float)(-total * step / sum), constant = (float)(-share * step);
            if (weight) {
                SIMD()
                for (int64_t j = 0; j < classes; j++) g[j] = x[j] * factor + constant * weight[j];
            } else {
                SIMD()
                for (int64_t j = 0; j < classes; j++) g[j] = x[j] * factor + constant;
            }
            g[label] += (float)((slope + share * own_weight) * step);
        } else {
            double slope_sum;
            const double others = focused_others(loss, spread, z, top, (float)log_sum, slopes, &slope_sum);
            const double focused = (1 - spread->eta) * exp(spread->gamma * log_p);
            value -= share * (others - own_weight * (focused + spread->eta) * log_p);
            const double total = slope - share * (slope_sum - slopes[label]);
            const float factor = (float)(-total * step / sum), constant = (float)(-share * step);
            slopes[label] = 0;
            SIMD()
            for (int64_t j = 0; j < classes; j++) g[j] = x[j] * factor + constant * slopes[j];
            g[label] += (float)(slope * step);
        }
        if (loss->scales) {
            SIMD()
            for (int64_t j = 0; j < classes; j++) g[j] *= loss->scales[j];
        }
        loss_sum += value;
        if (row_loss) row_loss[i] = (float)(value * unit);
    }
    return loss_sum * unit;
}

/* s = (1 - p)^alpha * p and ds / dp. */
INLINE float score_of(float p, float alpha, float *slope) {
    if (alpha == 0) {
        *slope = 1;
        return p;
    }
    const float q = 1 - p > (float)EPSILON ? 1 - p : (float)EPSILON;
    const float factor = alpha == 1 ? q : powf(q, alpha);
    *slope = factor - alpha * factor / q * p;
    return factor * p;
}

/* R of one class, and its derivatives by TP and by predicted. */
INLINE double region_term(Region region, double delta, double gamma, double smooth, double hit, double predicted,
                          double actual, double *by_hit, double *by_predicted) {
    if (region == REGION_DICE) { /* gamma - (2 * TP + smooth) / (predicted + actual + smooth) */
        const double whole = predicted + actual + smooth, coefficient = (2 * hit + smooth) / whole;
        *by_hit = -2 / whole;
        *by_predicted = coefficient / whole;
        return gamma - coefficient;
    }
    const double wrong = delta * (actual - hit) + (1 - delta) * (predicted - hit), whole = hit + smooth + wrong;
    const double distance = wrong / whole;
    if (distance < EPSILON) {
        *by_hit = *by_predicted = 0;
        return pow(EPSILON, gamma);
    }
    const double value = pow(distance, gamma), slope = gamma * value / distance;
    /* whole = delta * actual + (1 - delta) * predicted + smooth does not depend on TP, wrong falls by 1 with it. */
    *by_hit = -slope / whole;
    *by_predicted = slope * (1 - delta) * (1 - distance) / whole;
    return value;
}

/* The loss of a batch, and its gradient. `sums` has room for 5 * C numbers, `rows_slope` for one of each row. */
FOR_EACH_PROCESSOR
static double regions_of(const Loss *loss, const float *logits, const int64_t *target, int64_t rows, double alpha,
                         Region region, double delta, double gamma, double smooth, double class_share, float *gradient,
                         double *sums, double *row_slope, float *x) {
    const int64_t classes = loss->classes;
    const float *weight = loss->weight;
    const float exponent = (float)alpha;
    double *hit = sums, *predicted = sums + classes, *actual = sums + 2 * classes;
    float *by_predicted = (float *)(sums + 3 * classes), *by_hit = (float *)(sums + 4 * classes);
    double sample_sum = 0, share_sum = 0;
    memset(sums, 0, (size_t)(3 * classes) * sizeof(double));
    for (int64_t i = 0; i < rows; i++) {
        float *g = gradient + i * classes;
        const int64_t label = target[i];
        if (label == loss->ignored) {
            memset(g, 0, (size_t)classes * sizeof(float));
            continue;
        }
        float own, unused;
        const float top = adjusted(loss, logits + i * classes, label, x, &own);
        const Softmax softmax = softmax_of(x, classes, top, label, own);
        const double own_weight = weight ? weight[label] : 1;
        const float inverse = (float)(1 / softmax.sum);
        double slope;
        sample_sum += own_weight * own_term(&loss->own, label, &softmax, &slope);
        share_sum += own_weight;
        row_slope[i] = own_weight * slope;
        if (exponent == 0) {
            SIMD()
            for (int64_t j = 0; j < classes; j++) {
                g[j] = x[j] * inverse;
                predicted[j] += g[j];
            }
        } else {
            for (int64_t j = 0; j < classes; j++) {
                g[j] = x[j] * inverse;
                predicted[j] += score_of(g[j], exponent, &unused);
            }
        }
        hit[label] += score_of(g[label], exponent, &unused);
        actual[label] += 1;
    }
    if (share_sum == 0 && !weight) return 0;
    double total = 0, value = 0, any = 0;
    for (int64_t j = 0; j < classes; j++) {
        total += weight ? weight[j] : 1;
        any += actual[j];
    }
    if (any == 0) return 0;
    for (int64_t j = 0; j < classes; j++) {
        const double share = class_share * (weight ? weight[j] : 1) / (total > 0 ? total : 1);
        double hit_slope, predicted_slope;
        value += share * region_term(region, delta, gamma, smooth, hit[j], predicted[j], actual[j], &hit_slope,
                                     &predicted_slope);
        by_hit[j] = (float)(share * hit_slope);
        by_predicted[j] = (float)(share * predicted_slope);
    }
    const double divisor = share_sum > 0 ? share_sum : 1;
    for (int64_t i = 0; i < rows; i++) {
        float *g = gradient + i * classes;
        const int64_t label = target[i];
        if (label == loss->ignored) continue;
        /* d: by p; by x it is p * (d - sum_j p_j * d_j). */
        const float p = g[label];
        float own_slope, mean = 0;
        score_of(p, exponent, &own_slope);
        const float own_extra = by_hit[label] * own_slope, scale = (float)loss->scale;
        const float slope = (float)(row_slope[i] / divisor);
        if (exponent == 0) {
            SIMD(reduction(+ : mean))
            for (int64_t j = 0; j < classes; j++) mean += g[j] * by_predicted[j];
            const float less = mean + p * own_extra + slope;
            SIMD()
            for (int64_t j = 0; j < classes; j++) g[j] = scale * g[j] * (by_predicted[j] - less);
        } else {
            float by_p;
            for (int64_t j = 0; j < classes; j++) {
                score_of(g[j], exponent, &by_p);
                mean += g[j] * by_p * by_predicted[j];
            }
            const float less = mean + p * own_extra + slope;
            for (int64_t j = 0; j < classes; j++) {
                score_of(g[j], exponent, &by_p);
                g[j] = scale * g[j] * (by_p * by_predicted[j] - less);
            }
        }
        g[label] += scale * (p * own_extra + slope);
    }
    return sample_sum / divisor + value;
}

/* The arguments that both functions begin with. */
static Loss common(PyObject *const *args) {
    return (Loss){.classes = WHOLE(3),
                  .ignored = WHOLE(4),
                  .weight = POINTER(5),
                  .scale = NUMBER(6),
                  .scales = POINTER(7),
                  .offset = POINTER(8),
                  .margin = POINTER(9),
                  .own = {.term = (Term)WHOLE(10), .a = NUMBER(11), .b = NUMBER(12), .c = NUMBER(13), .d = NUMBER(14),
                          .strength = POINTER(15), .factor = NUMBER(16)}};
}

/* The sum of the weights of the labels, each of which is checked; -1 after an error. */
static double checked_shares(const int64_t *target, int64_t number, int64_t classes, int64_t ignored, const float *weight) {
    double sum = 0;
    for (int64_t i = 0; i < number; i++) {
        const int64_t label = target[i];
        if (label == ignored) continue;
        if (!in_bounds(label, classes)) return -1;
        sum += weight ? weight[label] : 1;
    }
    return sum;
}

/* GALA's constants of its state, as the offset and the margin of `loss`. */
static void set_margins(const State *state, Loss *loss) {
    float *offset = state->constants, *margin = offset + loss->classes;
    for (int64_t j = 0; j < loss->classes; j++) {
        const double log_theta = log(state->theta[j] + state->eps), own = state->positive * log_theta;
        const double log_phi = state->phi[j] == state->theta[j] ? log_theta : log(state->phi[j] + state->eps);
        offset[j] = (float)own;
        margin[j] = (float)(own - state->negative * log_phi);
    }
    loss->offset = offset;
    if (!state->latest) loss->margin = margin;
}

/* The counts of the seesaw loss, this batch included. */
static void count(const Negatives *negatives, const int64_t *target, int64_t rows, const Loss *loss) {
    double *seen = negatives->seen;
    for (int64_t i = 0; negatives->counts && i < rows; i++)
        if (target[i] != loss->ignored) seen[target[i]] += 1;
    SIMD()
    for (int64_t j = 0; j < loss->classes; j++) negatives->log_counts[j] = log_of(seen[j] > 1 ? (float)seen[j] : 1);
}

#define MOST_MITIGATION 60 /* exp of minus it is far from underflow */
#define LEAST_LOG_EPS (-14) /* the square of exp of minus it is far from overflow */

/* What `seesaw_softmax` takes, in `shares` (C), where it is for it; else NULL. */
static const float *seesaw_shares(const Negatives *negatives, int64_t classes, float *shares) {
    const double compensation = negatives->compensation, mitigation = negatives->mitigation;
    const float *log_counts = negatives->log_counts;
    if (!log_counts || negatives->log_eps < LEAST_LOG_EPS) return NULL;
    if (compensation != 0 && compensation != 1 && compensation != 2) return NULL;
    float least = log_counts[0], most = log_counts[0];
    for (int64_t j = 1; j < classes; j++) {
        least = log_counts[j] < least ? log_counts[j] : least;
        most = log_counts[j] > most ? log_counts[j] : most;
    }
    if (mitigation * (most - least) > MOST_MITIGATION) return NULL;
    SIMD()
    for (int64_t j = 0; j < classes; j++) shares[j] = exp_of_negative((float)mitigation * (log_counts[j] - most));
    return shares;
}

/* A batch into the state, through running sums where there are. */
static void add_to_state(const State *state, const double *received, double divisor, int64_t classes) {
    const double unit = divisor >= DBL_MIN ? 1 / divisor : 0;
    for (int64_t j = 0; j < classes; j++) {
        double sum = received[j] * unit;
        if (state->latest) sum = state->latest[j] += sum;
        state->theta[j] += sum;
        state->phi[j] += sum;
    }
}

/* A batch whose rows several threads share; each part has `room` of its own, for `x`, `slopes`, a gradient that nobody
 * keeps and what its rows give to the state. */
typedef struct {
    Loss loss;
    Spread spread;
    Negatives negatives;
    const float *logits, *lengths;
    const int64_t *target;
    int64_t rows;
    double unit;
    float *gradient, *row_loss;
    int gathering;
    long parts;
    size_t width;
    double *room, *sums;
} Batch;

enum { ROOMS = 3 }; /* of `width` numbers: two halves for `x` and `slopes`, one for the state, one for the gradient */

static double *received_by(const Batch *batch, long part) { return batch->room + (size_t)part * ROOMS * batch->width; }

INLINE double part_of(const Batch *batch, int64_t first, int64_t rows, float *gradient, double *received, float *x) {
    return rows_of(&batch->loss, &batch->spread, &batch->negatives, first, batch->logits + first * batch->loss.classes,
                   batch->target + first, batch->lengths ? batch->lengths + first : NULL, rows, batch->unit, gradient,
                   batch->gradient ? batch->loss.classes : 0, batch->row_loss ? batch->row_loss + first : NULL,
                   batch->gathering ? received : NULL, x, x + batch->width);
}

FOR_EACH_PROCESSOR
static double long_part(const Batch *batch, int64_t first, int64_t rows, float *gradient, double *received, float *x) {
    return part_of(batch, first, rows, gradient, received, x);
}

FOR_SHORT_WORK
static double short_part(const Batch *batch, int64_t first, int64_t rows, float *gradient, double *received, float *x) {
    return part_of(batch, first, rows, gradient, received, x);
}

static void run_rows(void *work, long part) {
    Batch *batch = work;
    const int64_t classes = batch->loss.classes, first = batch->rows * part / batch->parts;
    const int64_t rows = batch->rows * (part + 1) / batch->parts - first;
    const int is_short = batch->rows * classes < SHORT;
    double *received = received_by(batch, part);
    float *x = (float *)(received + batch->width), *unkept = (float *)(received + 2 * batch->width);
    float *gradient = batch->gradient ? batch->gradient + first * classes : unkept;
    if (batch->gathering) memset(received, 0, (size_t)classes * sizeof(double));
    const unsigned int before = flush_tiny();
    batch->sums[part] = (is_short ? short_part : long_part)(batch, first, rows, gradient, received, x);
    restore_tiny(before);
}

/* The parts' sums put together, always in the same order: the loss, and what the rows give to the state in `received`. */
static double put_together(const Batch *batch, double *received) {
    double sum = 0;
    for (long part = 0; part < batch->parts; part++) {
        sum += batch->sums[part];
        if (!batch->gathering) continue;
        const double *of_part = received_by(batch, part);
        for (int64_t j = 0; j < batch->loss.classes; j++) received[j] = (part ? received[j] : 0) + of_part[j];
    }
    return sum;
}

/* rows(logits, target, rows, <common>, other, gamma, eta, eps, smoothing, rare, limit, mitigation, compensation, log_eps,
 *      seen, unit, gradient, row_loss, parts, lengths, seed, log_counts, counts,
 *      theta, phi, latest, state_eps, positive, negative, constants, gathering, received):
 * the sum of the losses times `unit`, which 0 makes 1 / the sum of the weights, where that is not 0. With a state, `constants` (2, C) gets
 * the offset and the margin; with `gathering` the batch joins the state, or `received` (C + 1), which ends with the sum
 * of the weights, where there is one. */
static PyObject *rows(PyObject *module, PyObject *const *args, Py_ssize_t number) {
    (void)module;
    if (!right_number("rows", number, 45)) return NULL;
    Batch batch = {.logits = POINTER(0), .target = POINTER(1), .rows = WHOLE(2), .loss = common(args),
                   .spread = {.other = (Other)WHOLE(17), .gamma = NUMBER(18), .eta = NUMBER(19), .eps = NUMBER(20),
                              .smoothing = POINTER(21)},
                   .negatives = {.rare = POINTER(22), .limit = WHOLE(23), .mitigation = NUMBER(24),
                                 .compensation = NUMBER(25), .log_eps = NUMBER(26), .seen = POINTER(27),
                                 .seed = WHOLE(33), .log_counts = POINTER(34), .counts = WHOLE(35) != 0},
                   .unit = NUMBER(28), .gradient = POINTER(29), .row_loss = POINTER(30), .parts = (long)WHOLE(31),
                   .lengths = POINTER(32)};
    const State state = {.theta = POINTER(36), .phi = POINTER(37), .latest = POINTER(38), .eps = NUMBER(39),
                         .positive = NUMBER(40), .negative = NUMBER(41), .constants = POINTER(42)};
    batch.gathering = WHOLE(43) != 0;
    double *given = POINTER(44);
    if (PyErr_Occurred()) return NULL;
    const int64_t classes = batch.loss.classes;
    const double share = checked_shares(batch.target, batch.rows, classes, batch.loss.ignored, batch.loss.weight);
    if (share < 0) return NULL;
    if (batch.unit == 0) batch.unit = share >= FLT_MIN ? 1 / share : 0;
    if (batch.parts > batch.rows) batch.parts = (long)batch.rows;
    if (batch.parts < 1) batch.parts = 1;
    batch.width = (size_t)padded(classes);
    batch.room = malloc(((size_t)batch.parts * (ROOMS * batch.width + 1) + batch.width) * sizeof(double));
    if (!batch.room) return PyErr_NoMemory();
    batch.sums = batch.room + (size_t)batch.parts * ROOMS * batch.width;
    double sum;
    Py_BEGIN_ALLOW_THREADS
    if (state.theta) set_margins(&state, &batch.loss);
    if (batch.negatives.seen) count(&batch.negatives, batch.target, batch.rows, &batch.loss);
    batch.negatives.shares = seesaw_shares(&batch.negatives, classes, (float *)(batch.sums + batch.parts));
    share_out(run_rows, &batch, batch.parts);
    double *received = given ? given : batch.room; /* that of the first part */
    sum = put_together(&batch, received);
    if (given)
        given[classes] = share;
    else if (batch.gathering)
        add_to_state(&state, received, share, classes);
    free(batch.room);
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(sum);
}

/* regions(logits, target, rows, <common>, alpha, region, delta, gamma, smooth, class_share, gradient). */
static PyObject *regions(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (!right_number("regions", count, 24)) return NULL;
    const float *logits = POINTER(0);
    const int64_t *target = POINTER(1), number = WHOLE(2);
    const Loss loss = common(args);
    const double alpha = NUMBER(17), delta = NUMBER(19), gamma = NUMBER(20), smooth = NUMBER(21), class_share = NUMBER(22);
    const Region region = (Region)WHOLE(18);
    float *gradient = POINTER(23);
    if (PyErr_Occurred()) return NULL;
    if (checked_shares(target, number, loss.classes, loss.ignored, NULL) < 0) return NULL;
    double *sums = malloc((size_t)(5 * loss.classes + number + padded(loss.classes)) * sizeof(double)), value;
    if (!sums) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    const unsigned int before = flush_tiny();
    value = regions_of(&loss, logits, target, number, alpha, region, delta, gamma, smooth, class_share, gradient, sums,
                       sums + 5 * loss.classes, (float *)(sums + 5 * loss.classes + number));
    restore_tiny(before);
    Py_END_ALLOW_THREADS
    free(sums);
    return PyFloat_FromDouble(value);
}

/* LADE's term of a batch, less what the rows give: `factor` times
 *
 *     R = -sum_c prior_c * (T_c - S_c - lambda * S_c^2),   S_c = log mean_i exp(z_ic - shift_c)
 *
 * T_c is the mean of z_ic over the samples of class c. Its gradient is added to `gradient`, where there is one. */
typedef struct {
    const float *logits;
    const int64_t *target;
    int64_t rows, classes, ignored, valid;
    const float *prior, *shift; /* (C) */
    double lambda, factor;
    float *gradient;
    long parts;
    const double *mean, *number; /* (C): T, and the samples of each class */
    /* From here on filled up to whole vectors: */
    float *top, *slope, *row; /* (C): the largest logit; the derivative of R by S over the sum of exp(z - top); a row */
    double *sums;             /* (C): of exp(z - top) */
    float *kept;              /* (B, C): exp(z - top) of short work; NULL where it is computed twice, to save the memory */
    double *values;              /* one of each part */
} Columns;

#define LARGEST 1e15 /* of S; its square is within float32's range */

/* exp(z - top) of the columns from `first` to `end` of a row, filled up to whole vectors. */
INLINE const float *exponentials_of(const Columns *all, int64_t i, int64_t first, int64_t end) {
    float *row = all->kept ? all->kept + i * padded(all->classes) : all->row;
    const float *top = all->top;
    memcpy(row + first, all->logits + i * all->classes + first, (size_t)(end - first) * sizeof(float));
    SIMD()
    for (int64_t j = first; j < padded(end); j++) row[j] = exp_of_negative(row[j] - top[j]);
    return row;
}

/* Of the columns from `first` to `end`, a whole vector or the last one. */
INLINE double columns_of(const Columns *all, int64_t first, int64_t end) {
    const int64_t classes = all->classes;
    float *top = all->top, *slope = all->slope;
    double *sums = all->sums, value = 0;
    for (int64_t j = first; j < end; j++) top[j] = -INFINITY;
    for (int64_t i = 0; i < all->rows; i++) {
        if (all->target[i] == all->ignored) continue;
        const float *z = all->logits + i * classes;
        SIMD()
        for (int64_t j = first; j < end; j++) top[j] = z[j] > top[j] ? z[j] : top[j];
    }
    for (int64_t i = 0; i < all->rows; i++) {
        if (all->target[i] == all->ignored) continue;
        const float *row = exponentials_of(all, i, first, end);
        SIMD()
        for (int64_t j = first; j < end; j++) sums[j] += row[j];
    }
    for (int64_t j = first; j < end; j++) {
        const double partition = top[j] + log(sums[j] / (double)all->valid) - all->shift[j];
        const int within = fabs(partition) <= LARGEST;
        const double kept = within ? partition : partition > 0 ? LARGEST : -LARGEST;
        value -= all->prior[j] * (all->mean[j] - partition - all->lambda * kept * kept);
        slope[j] = (float)(all->factor * all->prior[j] * (1 + (within ? 2 * all->lambda * partition : 0)) / sums[j]);
    }
    if (!all->gradient) return value * all->factor;
    for (int64_t i = 0; i < all->rows; i++) {
        const int64_t label = all->target[i];
        if (label == all->ignored) continue;
        const float *row = all->kept ? all->kept + i * padded(classes) : exponentials_of(all, i, first, end);
        float *g = all->gradient + i * classes;
        SIMD()
        for (int64_t j = first; j < end; j++) g[j] += slope[j] * row[j];
        if (label >= first && label < end) g[label] -= (float)(all->factor * all->prior[label] / all->number[label]);
    }
    return value * all->factor;
}

FOR_EACH_PROCESSOR
static double long_columns(const Columns *all, int64_t first, int64_t end) { return columns_of(all, first, end); }

FOR_SHORT_WORK
static double short_columns(const Columns *all, int64_t first, int64_t end) { return columns_of(all, first, end); }

static void run_columns(void *work, long part) {
    Columns *all = work;
    const int64_t groups = padded(all->classes) / LANES;
    const int64_t first = groups * part / all->parts * LANES, last = groups * (part + 1) / all->parts * LANES;
    const unsigned int before = flush_tiny();
    const int is_short = all->rows * all->classes < SHORT;
    all->values[part] = (is_short ? short_columns : long_columns)(all, first, last < all->classes ? last : all->classes);
    restore_tiny(before);
}

/* columns(logits, target, rows, classes, ignored, prior, shift, lambda, factor, gradient, parts): `factor` times R. The
 * labels have been checked by `rows`. */
static PyObject *columns(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (!right_number("columns", count, 11)) return NULL;
    Columns all = {.logits = POINTER(0), .target = POINTER(1), .rows = WHOLE(2), .classes = WHOLE(3), .ignored = WHOLE(4),
                   .prior = POINTER(5), .shift = POINTER(6), .lambda = NUMBER(7), .factor = NUMBER(8), .gradient = POINTER(9),
                   .parts = (long)WHOLE(10)};
    if (PyErr_Occurred()) return NULL;
    const int64_t classes = all.classes;
    if (all.parts < 1) all.parts = 1;
    const int64_t width = padded(classes);
    const int64_t kept = all.rows * classes < SHORT ? all.rows * width / 2 : 0;
    double *room = calloc((size_t)(5 * width + all.parts + kept), sizeof(double)), *mean = room, *number = room + width;
    if (!room) return PyErr_NoMemory();
    for (int64_t i = 0; i < all.rows; i++) {
        const int64_t label = all.target[i];
        if (label == all.ignored) continue;
        all.valid++;
        number[label]++;
        mean[label] += all.logits[i * classes + label];
    }
    for (int64_t j = 0; j < classes; j++) mean[j] /= number[j] > 0 ? number[j] : 1;
    all.mean = mean;
    all.number = number;
    all.sums = room + 2 * width;
    all.top = (float *)(room + 3 * width);
    all.slope = all.top + width;
    all.row = all.slope + width;
    all.values = room + 5 * width;
    all.kept = kept ? (float *)(all.values + all.parts) : NULL;
    double sum = 0;
    if (all.valid) {
        Py_BEGIN_ALLOW_THREADS
        share_out(run_columns, &all, all.parts);
        for (long part = 0; part < all.parts; part++) sum += all.values[part];
        Py_END_ALLOW_THREADS
    }
    free(room);
    return PyFloat_FromDouble(sum);
}

/* left_out(seed, limit, rows, classes, output): 1 for each entry that is drawn to be left out, 0 for the others, as uint8. */
static PyObject *left_out(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (!right_number("left_out", count, 5)) return NULL;
    const int64_t seed = WHOLE(0), limit = WHOLE(1), rows = WHOLE(2), classes = WHOLE(3);
    uint8_t *output = POINTER(4);
    if (PyErr_Occurred()) return NULL;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < classes; j++) output[i * classes + j] = drawn(key_of(seed, i), (uint32_t)j) < (uint32_t)limit;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"threads_of", threads_of, METH_O, "Share the parts out by the OpenMP function at an address."},
    {"rows", (PyCFunction)(void (*)(void))rows, METH_FASTCALL, "Sum of the losses of the rows, and its gradient."},
    {"regions", (PyCFunction)(void (*)(void))regions, METH_FASTCALL, "Loss of a batch as a whole, and its gradient."},
    {"columns", (PyCFunction)(void (*)(void))columns, METH_FASTCALL, "LADE's term of the columns of a batch, and its gradient."},
    {"left_out", (PyCFunction)(void (*)(void))left_out, METH_FASTCALL, "Which entries of a batch are left out."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_rows", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__rows(void) { return PyModule_Create(&definition); }
