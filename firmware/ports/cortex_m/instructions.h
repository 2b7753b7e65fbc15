/* Instructions executed, by QEMU's count. */
#ifndef ZKM_INSTRUCTIONS_H
#define ZKM_INSTRUCTIONS_H

#include <stdint.h>

/* The board's 25 MHz counter. Under `-icount shift=6,sleep=off` an instruction takes 64 ns of virtual
 * time, which is 1.6 ticks. Wraps after 2^32 ticks, 2.7e9 instructions. */
static inline uint32_t zkm_ticks(void)
{
    return *(volatile uint32_t *)0x40028018U;
}

/* Instructions between two readings, exact to one. */
static inline uint32_t zkm_instructions_between(uint32_t before, uint32_t after)
{
    return (uint32_t)((uint64_t)(after - before) * 5U / 8U);
}

#endif
