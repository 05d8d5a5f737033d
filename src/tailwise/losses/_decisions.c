/* Losses of C yes-or-no decisions a sample, of float32 logits, and their gradients, one pass over each row.
 *
 * The loss of a sample is sum_c w_c * (t_c * positive(z_c) + (1 - t_c) * negative(z_c)). The target t is (B, C) float32
 * from 0 to 1, or a class index a sample; entries, or samples, that equal `ignored` count for nothing. With a state, which
 * the equalized focal loss gathers, a batch meets the exponents that follow from it and then joins it.
 * Pointers are numbers, 0 where there is none; the caller keeps the memory alive and of the right type and size.
 */
#include "_loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The numbers are those of tailwise.losses._fused_decisions. */
typedef enum { ASYMMETRIC, EQUALIZED } Kind;

/* ASYMMETRIC: exponents a of positives and b of negatives, margin c, d = 0 where the factors have no gradient, else 1.
 * EQUALIZED: exponents (C), a the factor of positives for each unit of the exponent, b that of negatives, d = 1. */
typedef struct {
    Kind kind;
    float a, b, c, d;
} Formula;

#define MAX_PRODUCTS 8 /* the largest whole exponent for which products are faster than a logarithm and an exponential */
#define LOG_EPSILON -15.942385f

INLINE float at_least(float x, float least) { return x < least ? least : x; }

/* p^a or q^a from the logarithm, which is kept at that of machine epsilon. */
INLINE float power_by_log(float log_x, float exponent) { return exp_of_negative(exponent * at_least(log_x, LOG_EPSILON)); }

enum { TILE = 512 }; /* classes that are computed together: ten arrays of so many stay in the processor's nearest cache */

/* Of arrays a multiple of 4096 bytes apart, processors take a load from one to wait for a store to the other. */
enum { APART = TILE + 9 * LANES };

/* The decisions of some logits; q = 1 - p. The steps are loops of their own: in one, each would wait for the one before. */
typedef struct {
    float z[APART], e[APART], p[APART], q[APART], log_p[APART], log_q[APART]; /* e: of the less likely decision to the other */
    float factor[APART], log_kept[APART]; /* of negatives: the focusing factor; with a margin, log min(q + margin, 1) */
    float value[APART], slope[APART];     /* of negatives, with their weight */
} Decisions;

INLINE void take_logs(Decisions *of, int64_t first, int64_t end) {
    const float *z = of->z;
    SIMD()
    for (int64_t j = first; j < end; j++) {
        const int likely = z[j] > 0;
        const float log_share = -log_of_one_and(of->e[j]);
        of->log_p[j] = log_share + (likely ? 0 : z[j]);
        of->log_q[j] = log_share - (likely ? z[j] : 0);
    }
}

/* `factor` to a power in its place. */
INLINE void to_power(Decisions *of, float exponent, int64_t number) {
    if (exponent == 0 || exponent != floorf(exponent) || exponent > MAX_PRODUCTS) {
        SIMD()
        for (int64_t j = 0; j < number; j++) of->factor[j] = exp_of_negative(exponent * log_of(of->factor[j]));
        return;
    }
    memcpy(of->value, of->factor, (size_t)number * sizeof(float));
    for (int times = 1; times < (int)exponent; times++) {
        SIMD()
        for (int64_t j = 0; j < number; j++) of->factor[j] *= of->value[j];
    }
}

/* The logarithms of p and q are taken as well, unless only the negatives are asked for and do not need them. */
INLINE void decide(const Formula *formula, Kind kind, int with_margin, int only_negatives, const float *exponents,
                   int64_t number, Decisions *of) {
    const float *z = of->z;
    SIMD()
    for (int64_t j = 0; j < number; j++) {
        const int likely = z[j] > 0;
        const float e = exp_of_negative(likely ? -z[j] : z[j]), share = 1 / (1 + e), rest = e * share;
        of->e[j] = e;
        of->p[j] = likely ? share : rest;
        of->q[j] = likely ? rest : share;
    }
    if (!(with_margin && only_negatives)) take_logs(of, 0, number);
    if (kind == EQUALIZED) {
        SIMD()
        for (int64_t j = 0; j < number; j++) of->factor[j] = power_by_log(of->log_p[j], exponents[j]);
        return;
    }
    const float margin = formula->c;
    SIMD()
    for (int64_t j = 0; j < number; j++) of->factor[j] = at_least(of->p[j] - margin, (float)EPSILON);
    to_power(of, formula->b, number);
    if (!with_margin) return;
    SIMD()
    for (int64_t j = 0; j < number; j++) {
        const float kept = of->q[j] + margin;
        of->log_kept[j] = kept < 1 ? log_of(kept) : 0;
    }
}

typedef struct {
    float value, slope; /* by the logit */
} Term;

/* The loss of a class that the sample has. */
INLINE Term positive(const Formula *formula, Kind kind, const Decisions *of, int64_t j, float exponent) {
    const float p = of->p[j], q = of->q[j], log_p = of->log_p[j];
    const float moves = q > (float)EPSILON ? formula->d : 0;
    const float power = kind == EQUALIZED ? exponent : formula->a;
    const float factor = power_by_log(of->log_q[j], power) * (kind == EQUALIZED ? formula->a * exponent : 1);
    return (Term){-factor * log_p, factor * (moves * power * p * log_p - q)};
}

/* Of a class that it has not. */
INLINE Term negative(const Formula *formula, Kind kind, int with_margin, const Decisions *of, int64_t j, float exponent) {
    const float p = of->p[j], q = of->q[j];
    if (with_margin) {
        const float kept = q + formula->c, shifted = p - formula->c, log_kept = of->log_kept[j];
        const float change = kept < 1 ? p * q / kept : 0; /* of -log(1 - p_m) */
        const float by_factor = shifted > (float)EPSILON ? formula->d * formula->b * p * q / shifted : 0;
        return (Term){-of->factor[j] * log_kept, of->factor[j] * (change - by_factor * log_kept)};
    }
    const float moves = p > (float)EPSILON ? formula->d : 0;
    const float power = kind == EQUALIZED ? exponent : formula->b, log_q = of->log_q[j];
    const float factor = of->factor[j] * (kind == EQUALIZED ? formula->b * exponent : 1);
    return (Term){-factor * log_q, factor * (p - moves * power * q * log_q)};
}

/* A batch whose rows several threads share. Rows of up to TILE classes are filled up to whole vectors and computed several
 * at a time, for short loops take longer to begin than to run; longer ones are computed in parts of TILE classes. */
typedef struct {
    const float *logits, *wanted; /* (B, C): the target, or NULL */
    const int64_t *label;         /* (B): the target, or NULL */
    int64_t rows, classes, ignored;
    int64_t width, together; /* of a row; rows at a time */
    float *weight, *exponents; /* (together, width); the filling has weight 0 */
    Formula formula;
    double unit;
    float *gradient, *row_loss;
    int gathering;
    long parts;
    double *room, *sums; /* PER_PART * width of each part; one sum of each */
} Batch;

/* The memory of a part, (width) each. */
typedef struct {
    double *positive, *negative; /* what a class receives as a positive and as a negative; NULL where not gathered */
    float *received;             /* the latter of some rows */
} Room;

enum { PER_PART = 3 };

static Room room_of(const Batch *batch, long part) {
    double *start = batch->room + part * PER_PART * batch->width;
    if (!batch->gathering) return (Room){NULL, NULL, NULL};
    return (Room){start, start + batch->width, (float *)(start + 2 * batch->width)};
}

/* Classes from `start` of the row `i`, `number` of them, which begin at `at` in what has been decided. */
INLINE double finish(const Batch *batch, Kind kind, int with_margin, int gathering, int64_t i, int64_t start, int64_t number,
                     int64_t at, Decisions *of, const Room *room) {
    const Formula formula = batch->formula;
    const float *weight = batch->weight + start, *exponents = batch->exponents + start, unit = (float)batch->unit;
    float *g = batch->gradient ? batch->gradient + i * batch->classes + start : NULL;
    if (!batch->wanted) {
        const int64_t label = batch->label[i];
        if (label == batch->ignored) {
            if (g) memset(g, 0, (size_t)number * sizeof(float));
            return 0;
        }
        const int64_t filled = padded(number); /* the filling adds 0, and to classes that there are not */
        float sum = 0;
        SIMD(reduction(+ : sum))
        for (int64_t j = 0; j < filled; j++) sum += of->value[at + j];
        if (g) memcpy(g, of->slope + at, (size_t)number * sizeof(float));
        if (gathering) {
            SIMD()
            for (int64_t j = 0; j < filled; j++) room->received[start + j] += of->p[at + j];
        }
        if (label < start || label >= start + number) return sum;
        const int64_t own = at + label - start;
        if (with_margin) take_logs(of, own, own + 1);
        const Term term = positive(&formula, kind, of, own, exponents[label - start]);
        if (g) g[label - start] = unit * weight[label - start] * term.slope;
        if (gathering) {
            room->positive[label] += of->q[own];
            room->received[label] -= of->p[own];
        }
        return (double)sum - of->value[own] + weight[label - start] * term.value;
    }
    const float *wanted = batch->wanted + i * batch->classes + start, ignored = (float)batch->ignored;
    float sum = 0;
    SIMD(reduction(+ : sum))
    for (int64_t j = 0; j < number; j++) {
        const float counts = wanted[j] == ignored ? 0.0f : 1.0f, yes = counts * wanted[j], no = counts - yes;
        const Term term = positive(&formula, kind, of, at + j, exponents[j]);
        sum += yes * weight[j] * term.value + no * of->value[at + j];
        of->slope[at + j] = yes * unit * weight[j] * term.slope + no * of->slope[at + j];
    }
    if (g) memcpy(g, of->slope + at, (size_t)number * sizeof(float));
    if (gathering) {
        SIMD()
        for (int64_t j = 0; j < number; j++) {
            const float counts = wanted[j] == ignored ? 0.0f : 1.0f, yes = counts * wanted[j], no = counts - yes;
            room->positive[start + j] += yes * of->q[at + j];
            room->negative[start + j] += no * of->p[at + j];
        }
    }
    return sum;
}

INLINE double rows_of(const Batch *batch, Kind kind, int with_margin, int gathering, int64_t first, int64_t end,
                      const Room *room) {
    const Formula formula = batch->formula;
    const int64_t classes = batch->classes, width = batch->width;
    const float unit = (float)batch->unit;
    double sum = 0;
    Decisions of;
    memset(of.z, 0, sizeof of.z);
    for (int64_t i = first; i < end; i += batch->together) {
        const int64_t rows = i + batch->together < end ? batch->together : end - i;
        double value = 0;
        for (int64_t start = 0; start < classes; start += TILE) {
            const int64_t number = start + TILE < classes ? TILE : classes - start;
            const float *weight = batch->weight + start, *exponents = batch->exponents + start;
            for (int64_t row = 0; row < rows; row++)
                memcpy(of.z + row * width, batch->logits + (i + row) * classes + start, (size_t)number * sizeof(float));
            const int64_t all = rows > 1 ? rows * width : padded(number);
            decide(&formula, kind, with_margin, !batch->wanted, exponents, all, &of);
            SIMD()
            for (int64_t j = 0; j < all; j++) {
                const Term term = negative(&formula, kind, with_margin, &of, j, exponents[j]);
                of.value[j] = weight[j] * term.value;
                of.slope[j] = unit * weight[j] * term.slope;
            }
            for (int64_t row = 0; row < rows; row++) {
                const double part = finish(batch, kind, with_margin, gathering, i + row, start, number, row * width, &of, room);
                value += part;
                if (batch->row_loss && classes <= TILE) batch->row_loss[i + row] = (float)(part * batch->unit);
            }
        }
        if (batch->row_loss && classes > TILE) batch->row_loss[i] = (float)(value * batch->unit);
        sum += value;
        if (!gathering) continue;
        for (int64_t j = 0; j < classes; j++) {
            room->negative[j] += room->received[j];
            room->received[j] = 0;
        }
    }
    return sum * batch->unit;
}

FOR_EACH_PROCESSOR
static double part_of(const Batch *batch, int64_t first, int64_t end, const Room *room) {
    if (batch->gathering) return rows_of(batch, EQUALIZED, 0, 1, first, end, room);
    if (batch->formula.kind == EQUALIZED) return rows_of(batch, EQUALIZED, 0, 0, first, end, room);
    if (batch->formula.c > 0) return rows_of(batch, ASYMMETRIC, 1, 0, first, end, room);
    return rows_of(batch, ASYMMETRIC, 0, 0, first, end, room);
}

static void run_part(void *work, long part) {
    Batch *batch = work;
    const Room room = room_of(batch, part);
    const unsigned int before = flush_tiny();
    batch->sums[part] = part_of(batch, batch->rows * part / batch->parts, batch->rows * (part + 1) / batch->parts, &room);
    restore_tiny(before);
}

/* The samples that are not ignored; -1 after an error, of a class index out of bounds or an entry that is not from 0 to 1. */
static int64_t checked(const Batch *batch) {
    int64_t valid = 0;
    for (int64_t i = 0; i < batch->rows; i++) {
        if (batch->label) {
            const int64_t label = batch->label[i];
            if (label == batch->ignored) continue;
            if (!in_bounds(label, batch->classes)) return -1;
            valid++;
            continue;
        }
        const float *wanted = batch->wanted + i * batch->classes, ignored = (float)batch->ignored;
        int any = 0, wrong = 0;
        SIMD(reduction(| : any, wrong))
        for (int64_t j = 0; j < batch->classes; j++) {
            const int counts = wanted[j] != ignored;
            any |= counts;
            wrong |= counts & !(wanted[j] >= 0 && wanted[j] <= 1);
        }
        if (wrong) {
            int64_t j = 0;
            while (wanted[j] == ignored || (wanted[j] >= 0 && wanted[j] <= 1)) j++;
            char message[96];
            snprintf(message, sizeof message, "target must say of every class 0, 1 or a probability between, got %g",
                     (double)wanted[j]);
            PyErr_SetString(PyExc_ValueError, message);
            return -1;
        }
        valid += any;
    }
    return valid;
}

/* Exponents gamma + scale * (1 - g) of the state: g is what a class has received as a positive for each as a negative. */
static void set_exponents(const double *positive, const double *negative, int64_t classes, double gamma, double scale,
                          float *exponents) {
    for (int64_t j = 0; j < classes; j++) {
        const double balance = negative[j] > 0 ? positive[j] / negative[j] : 1;
        exponents[j] = (float)(gamma + scale * (1 - (balance < 1 ? balance : 1)));
    }
}

/* decisions(logits, label, wanted, rows, classes, ignored, weight, kind, a, b, c, d, unit, gradient, row_loss, parts,
 *           gamma, scale, positive, negative, exponents, gathering, received):
 * the sum of the losses times `unit`, which 0 makes 1 / the number of samples that are not ignored. With a state,
 * `exponents` (C) get those that the batch meets; with `gathering` it joins the state, or `received` (2, C) where there is
 * one. ValueError where an entry of `wanted` is not from 0 to 1. */
static PyObject *decisions(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (!right_number("decisions", count, 23)) return NULL;
    Batch batch = {.logits = POINTER(0), .label = POINTER(1), .wanted = POINTER(2), .rows = WHOLE(3), .classes = WHOLE(4),
                   .ignored = WHOLE(5),
                   .formula = {.kind = (Kind)WHOLE(7), .a = (float)NUMBER(8), .b = (float)NUMBER(9), .c = (float)NUMBER(10),
                               .d = (float)NUMBER(11)},
                   .unit = NUMBER(12), .gradient = POINTER(13), .row_loss = POINTER(14), .parts = (long)WHOLE(15)};
    const double gamma = NUMBER(16), scale = NUMBER(17);
    const float *weight = POINTER(6);
    double *positive = POINTER(18), *negative = POINTER(19), *given = POINTER(22);
    float *exponents = POINTER(20);
    batch.gathering = WHOLE(21) != 0;
    if (PyErr_Occurred()) return NULL;
    const int64_t valid = checked(&batch), classes = batch.classes;
    if (valid < 0) return NULL;
    if (batch.unit == 0) batch.unit = 1 / (double)(valid > 1 ? valid : 1);
    if (batch.parts > batch.rows) batch.parts = (long)batch.rows;
    if (batch.parts < 1) batch.parts = 1;
    batch.width = padded(classes);
    batch.together = batch.width > TILE ? 1 : TILE / batch.width;
    const size_t parts = (size_t)batch.parts, width = (size_t)batch.width, tiled = width * (size_t)batch.together;
    batch.room = calloc(parts * (PER_PART * width + 1) + tiled, sizeof(double));
    if (!batch.room) return PyErr_NoMemory();
    batch.sums = batch.room + parts * PER_PART * width;
    batch.weight = (float *)(batch.sums + parts);
    batch.exponents = batch.weight + tiled;
    if (exponents) set_exponents(positive, negative, classes, gamma, scale, exponents);
    for (int64_t row = 0; row < batch.together; row++) {
        float *weights = batch.weight + row * batch.width;
        for (int64_t j = 0; j < classes; j++) weights[j] = weight ? weight[j] : 1;
        if (exponents) memcpy(batch.exponents + row * batch.width, exponents, (size_t)classes * sizeof(float));
    }
    double sum = 0;
    Py_BEGIN_ALLOW_THREADS
    share_out(run_part, &batch, batch.parts);
    for (long part = 0; part < batch.parts; part++) {
        sum += batch.sums[part];
        const Room room = room_of(&batch, part);
        double *as_positive = given ? given : positive, *as_negative = given ? given + classes : negative;
        for (int64_t j = 0; batch.gathering && j < classes; j++) {
            as_positive[j] += room.positive[j];
            as_negative[j] += room.negative[j];
        }
    }
    free(batch.room);
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(sum);
}

static PyMethodDef functions[] = {
    {"threads_of", threads_of, METH_O, "Share the parts out by the OpenMP function at an address."},
    {"decisions", (PyCFunction)(void (*)(void))decisions, METH_FASTCALL, "Sum of the losses of the rows, and its gradient."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_decisions", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__decisions(void) { return PyModule_Create(&definition); }
