/* What the start-up code offers to a program on the emulated board. */
#ifndef ZKM_STARTUP_H
#define ZKM_STARTUP_H

#include <stdint.h>

#define ZKM_EXIT_FAULT 99 /* exit status after a fault or an unexpected exception */
#define ZKM_EXIT_ABORT 98 /* after abort() */

/* Bytes of stack that were ever used since the start, or since the last zkm_stack_paint. */
uint32_t zkm_stack_used(void);

/* Marks the unused stack again. */
void zkm_stack_paint(void);

#endif
