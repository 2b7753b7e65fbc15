/* Little-endian numbers in byte arrays. */
#ifndef ZKM_BYTES_H
#define ZKM_BYTES_H

#include <stdint.h>

/* Says that these bytes may be known to anybody from here on; the constant-time test gives it a meaning. */
#ifndef ZKM_PUBLIC
#define ZKM_PUBLIC(pointer, size) ((void)0)
#endif

/* The lowest size bytes of value; returns what follows them. */
static inline uint8_t *zkm_put(uint8_t *out, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        *out++ = (uint8_t)(value >> (8 * i));
    }
    return out;
}

/* size: 1..8 */
static inline uint64_t zkm_get(const uint8_t *in, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;) {
        value = value << 8 | in[i];
    }
    return value;
}

#endif
