/* Start-up: vector table, memory, stack mark, main, exit. Faults exit too, so that nothing hangs. */
#include "startup.h"

#include <stdlib.h>

#include "semihosting.h"

#define STACK_MARK 0xa5a5a5a5U
#define STACK_MARGIN 64U /* bytes below the stack pointer that painting leaves alone */

/* from the linker script */
extern uint32_t zkm_data_image[], zkm_data_start[], zkm_data_end[];
extern uint32_t zkm_bss_start[], zkm_bss_end[];
extern uint32_t zkm_stack_low[], zkm_stack_high[];

int main(void);
void Reset_Handler(void);

static uintptr_t stack_pointer(void)
{
    uintptr_t value;
    __asm__ volatile("mov %0, sp" : "=r"(value));
    return value;
}

void zkm_stack_paint(void)
{
    const uintptr_t end = stack_pointer() - STACK_MARGIN;
    for (volatile uint32_t *word = zkm_stack_low; (uintptr_t)word < end; word++) {
        *word = STACK_MARK;
    }
}

uint32_t zkm_stack_used(void)
{
    const volatile uint32_t *word = zkm_stack_low;
    while ((uintptr_t)word < (uintptr_t)zkm_stack_high && *word == STACK_MARK) {
        word++;
    }
    return (uint32_t)((uintptr_t)zkm_stack_high - (uintptr_t)word);
}

/* newlib's would bring in malloc */
void abort(void)
{
    zkm_exit(ZKM_EXIT_ABORT);
}

static void fault(void)
{
    zkm_exit(ZKM_EXIT_FAULT);
}

void Reset_Handler(void)
{
    const volatile uint32_t *from = zkm_data_image;
    for (volatile uint32_t *to = zkm_data_start; (uintptr_t)to < (uintptr_t)zkm_data_end; to++) {
        *to = *from++;
    }
    for (volatile uint32_t *to = zkm_bss_start; (uintptr_t)to < (uintptr_t)zkm_bss_end; to++) {
        *to = 0;
    }
    zkm_stack_paint();
    zkm_exit(main());
}

typedef struct {
    const void *stack;
    void (*handlers[15])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    zkm_stack_high,
    /* reset; NMI, hard, memory, bus, usage fault; four reserved; SVC, debug; reserved; PendSV, SysTick */
    {Reset_Handler, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault},
};
