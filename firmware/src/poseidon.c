/* Poseidon on a 32-bit machine with a signed 32 x 32 + 64 multiply-add (smlal on a Cortex-M).
 *
 * Elements are signed integers times a scale, mostly within -p/2..p/2, and products are summed in 64 bits before
 * they are reduced. The generator of the tables proves that nothing here overflows.
 *
 * The 20 partial rounds cube one element only. So they are not walked through: what that element is in every round,
 * and the state after the last, are sums of products of the state before and of what each S-box added (delta).
 * With that, the matrix of the full round before them never has to be applied.
 *
 * No branch and no address depends on data. */
#include "poseidon.h"

#include "poseidon_tables.h"

#define HALF 8
#define FULL_ROUNDS 4
#define PARTIAL_ROUNDS 20
#define DELTAS 24 /* PARTIAL_ROUNDS, filled up to whole eights */

/* OPAQUE keeps the compiler from knowing a value: GCC would turn multiplications by constants into slower shifts, and
 * load whole arrays before a loop only to spill them. TOGETHER makes it have two values at once: one ldrd. */
#if defined(__GNUC__) && defined(__arm__)
#define OPAQUE(value) __asm__("" : "+r"(value))
#define TOGETHER(a, b) __asm__ volatile("" : : "r"(a), "r"(b))
#else
#define OPAQUE(value) ((void)0)
#define TOGETHER(a, b) ((void)0)
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define SEPARATE static __attribute__((noinline))
#else
#define INLINE static inline
#define SEPARATE static
#endif

typedef struct {
    int32_t prime;
    uint32_t negative_inverse; /* -1 / p mod 2^32 */
    int32_t fold;              /* 2^32 mod p */
} modulus;

INLINE modulus load_modulus(void)
{
    modulus m = {ZKM_PRIME, 0x7effffffU, 0x1fffffe};
    OPAQUE(m.prime);
    OPAQUE(m.negative_inverse);
    OPAQUE(m.fold);
    return m;
}

INLINE int32_t upper(int64_t value)
{
    return (int32_t)(uint32_t)((uint64_t)value >> 32);
}

/* value / 2^32 mod p, within |value| / 2^32 + p / 2 + 1; needs |value| + 2^31 p < 2^63 */
INLINE int32_t reduce(int64_t value, modulus m)
{
    int32_t high = upper(value);
    uint32_t low = (uint32_t)value;
    OPAQUE(high);
    OPAQUE(low);
    const int32_t factor = (int32_t)(low * m.negative_inverse);
    return upper((int64_t)factor * m.prime + (int64_t)((uint64_t)(uint32_t)high << 32 | low));
}

/* congruent to value, within |value| / 2^7 + 2^33 */
INLINE int64_t fold(int64_t value, modulus m)
{
    int32_t high = upper(value);
    uint32_t low = (uint32_t)value;
    OPAQUE(high);
    OPAQUE(low);
    return (int64_t)(uint64_t)low + (int64_t)high * m.fold;
}

/* value^3 / 2^64 mod p, of any value; within 2^30 - 1, so that two of them add */
INLINE int32_t cube(int32_t value, modulus m)
{
    const int32_t square = reduce((int64_t)value * value, m);
    return reduce(fold((int64_t)square * value, m), m);
}

INLINE int64_t dot2(int64_t sum, const int32_t *c, const int32_t *x)
{
    const int32_t x0 = x[0], x1 = x[1];
    TOGETHER(x0, x1);
    const int32_t c0 = c[0], c1 = c[1];
    TOGETHER(c0, c1);
    sum += (int64_t)c0 * x0;
    sum += (int64_t)c1 * x1;
    return sum;
}

INLINE int64_t dot4(int64_t sum, const int32_t *c, const int32_t *x)
{
    return dot2(dot2(sum, c, x), c + 2, x + 2);
}

INLINE int64_t dot8(int64_t sum, const int32_t *c, const int32_t *x)
{
    return dot4(dot4(sum, c, x), c + 4, x + 4);
}

/* Cubes of both halves, as their sums and differences: with those, a circulant matrix of 16 falls into two of 8. */
SEPARATE void cubes(int32_t x[ZKM_WIDTH])
{
    const modulus m = load_modulus();
    for (int i = 0; i < HALF; i++) {
        const int32_t a = cube(x[i], m);
        const int32_t b = cube(x[i + HALF], m);
        x[i] = a + b;
        x[i + HALF] = a - b;
    }
}

typedef struct {
    int64_t first, second;
} pair;

/* Two products each of two rows of a matrix with constant diagonals; c points at the entry of the lower row. */
INLINE pair rows2(pair sums, const int32_t *c, const int32_t *x)
{
    sums.first = dot2(sums.first, c + 1, x);
    sums.second = dot2(sums.second, c, x);
    return sums;
}

INLINE pair rows8(pair sums, const int32_t *c, const int32_t *x)
{
    sums = rows2(sums, c, x);
    sums = rows2(sums, c + 2, x + 2);
    sums = rows2(sums, c + 4, x + 4);
    return rows2(sums, c + 6, x + 6);
}

/* One of the two matrices of 8, of which c is the diagonals, applied to x; and the constants of the next round. */
SEPARATE void half_mix(int32_t y[HALF], const int32_t *c, const int32_t *x, const int32_t *next)
{
    const modulus m = load_modulus();
    c += HALF - 2;
    for (int i = 0; i < HALF; i += 2) {
        const int32_t *from = x;
        OPAQUE(from);
        const pair sums = rows8((pair){next[i], next[i + 1]}, c, from);
        y[i] = reduce(sums.first, m);
        y[i + 1] = reduce(sums.second, m);
        c -= 2;
    }
}

SEPARATE void mix(int32_t x[ZKM_WIDTH], const int32_t next[ZKM_WIDTH])
{
    int32_t both[HALF], apart[HALF];
    half_mix(both, MATRIX_BOTH, x, next);
    half_mix(apart, MATRIX_APART, x + HALF, next + HALF);
    for (int i = 0; i < HALF; i++) {
        x[i] = both[i] + apart[i];
        x[i + HALF] = both[i] - apart[i];
    }
}

/* What the S-boxes of the partial rounds add, from the cubes before them. */
SEPARATE void deltas(int32_t delta[DELTAS], const int32_t cubed[ZKM_WIDTH])
{
    const modulus m = load_modulus();
    int32_t linear = DELTA_LINEAR[0];
    OPAQUE(linear);
    const int32_t *row = POWERS;
    for (int i = 0; i < DELTAS; i++) {
        delta[i] = 0;
    }
    for (int r = 0; r < PARTIAL_ROUNDS; r++) {
        const int32_t *x = cubed;
        OPAQUE(x);
        int64_t sum = dot8(0, row, x);
        sum = dot8(fold(sum, m), row + HALF, x + HALF);
        row += ZKM_WIDTH;
        const int32_t *c = &DELTA_TO_INPUT[PARTIAL_ROUNDS - 1 - r];
        for (int j = 0; j < r; j += HALF) {
            sum = dot8(fold(sum, m), c + j, delta + j);
        }
        const int32_t y = reduce(fold(sum, m), m) + PARTIAL_CONSTANTS[r];
        const int32_t square = reduce((int64_t)y * y, m);
        delta[r] = reduce(fold((int64_t)square * y + (int64_t)linear * y, m), m);
    }
}

INLINE int64_t after_half(const int32_t *c, const int32_t *x, modulus m)
{
    int64_t sum = dot4(0, c, x);
    sum = dot4(fold(sum, m), c + 4, x + 4);
    return fold(sum, m);
}

/* Two deltas' products for two elements of the state after the partial rounds. */
INLINE pair columns2(pair sums, const int32_t *p, const int32_t *q, const int32_t *delta)
{
    const int32_t d0 = delta[0], d1 = delta[1];
    TOGETHER(d0, d1);
    sums.first += (int64_t)p[ZKM_WIDTH] * d0;
    sums.second += (int64_t)q[ZKM_WIDTH] * d0;
    sums.first += (int64_t)p[0] * d1;
    sums.second += (int64_t)q[0] * d1;
    return sums;
}

INLINE pair columns4(pair sums, const int32_t *p, const int32_t *q, const int32_t *delta)
{
    sums = columns2(sums, p + 2 * ZKM_WIDTH, q + 2 * ZKM_WIDTH, delta);
    return columns2(sums, p, q, delta + 2);
}

INLINE pair fold_both(pair sums, modulus m)
{
    return (pair){fold(sums.first, m), fold(sums.second, m)};
}

/* In: sums and differences of cubes. Out: what enters the full round after the partial ones. */
SEPARATE void partial_rounds(int32_t x[ZKM_WIDTH])
{
    const modulus m = load_modulus();
    int32_t work[ZKM_WIDTH];
    int32_t delta[DELTAS];
    for (int i = 0; i < HALF; i++) {
        const int32_t both = x[i], apart = x[i + HALF];
        work[i] = (both + apart) / 2;
        work[i + HALF] = (both - apart) / 2;
    }
    deltas(delta, work);
    for (int i = 0; i < HALF; i++) {
        const int32_t *from = x;
        const int32_t *d = delta;
        OPAQUE(from);
        OPAQUE(d);
        const int64_t both = after_half(&AFTER_BOTH[HALF - 1 - i], from, m);
        const int64_t apart = after_half(&AFTER_APART[HALF - 1 - i], from + HALF, m);
        pair sums = {both + apart, both - apart};
        /* the highest power belongs to the oldest delta */
        const int32_t *p = &POWERS[(ZKM_WIDTH - i) % ZKM_WIDTH];
        const int32_t *q = &POWERS[HALF - i];
        OPAQUE(p);
        OPAQUE(q);
        sums = columns4(sums, p + 16 * ZKM_WIDTH, q + 16 * ZKM_WIDTH, d);
        sums = columns4(sums, p + 12 * ZKM_WIDTH, q + 12 * ZKM_WIDTH, d + 4);
        sums = fold_both(sums, m);
        sums = columns4(sums, p + 8 * ZKM_WIDTH, q + 8 * ZKM_WIDTH, d + 8);
        sums = columns4(sums, p + 4 * ZKM_WIDTH, q + 4 * ZKM_WIDTH, d + 12);
        sums = fold_both(sums, m);
        sums = fold_both(columns4(sums, p, q, d + 16), m);
        work[i] = reduce(sums.first, m) + AFTER_CONSTANTS[i];
        work[i + HALF] = reduce(sums.second, m) + AFTER_CONSTANTS[i + HALF];
    }
    for (int i = 0; i < ZKM_WIDTH; i++) {
        x[i] = work[i];
    }
}

void zkm_poseidon_rounds(int32_t state[ZKM_WIDTH])
{
    for (int r = 0; r < FULL_ROUNDS - 1; r++) {
        cubes(state);
        mix(state, &FIRST_CONSTANTS[r * ZKM_WIDTH]);
    }
    cubes(state);
    partial_rounds(state);
    for (int r = 0; r < FULL_ROUNDS; r++) {
        cubes(state);
        mix(state, &LAST_CONSTANTS[r * ZKM_WIDTH]);
    }
}

uint32_t zkm_poseidon_output(int32_t element)
{
    const uint32_t word = (uint32_t)reduce(element, load_modulus());
    return word + ((uint32_t)ZKM_PRIME & (0U - (word >> 31)));
}

void zkm_poseidon_permute(uint32_t state[ZKM_WIDTH])
{
    int32_t x[ZKM_WIDTH];
    for (int i = 0; i < ZKM_WIDTH; i++) {
        x[i] = (int32_t)state[i] + ENTRY[i];
    }
    zkm_poseidon_rounds(x);
    for (int i = 0; i < ZKM_WIDTH; i++) {
        state[i] = zkm_poseidon_output(x[i]);
    }
}
