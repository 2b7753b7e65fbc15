/* Overwrites secrets. */
#ifndef ZKM_WIPE_H
#define ZKM_WIPE_H

#include <stddef.h>
#include <stdint.h>

/* Volatile, so that a compiler keeps the writes although nobody reads them. */
static inline void zkm_wipe_memory(void *memory, size_t size)
{
    volatile uint8_t *bytes = (volatile uint8_t *)memory;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = 0;
    }
}

#endif
