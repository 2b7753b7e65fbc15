/* CMSDK UART 0 of the MPS2 board: the link to the gateway. */
#ifndef ZKM_UART_H
#define ZKM_UART_H

#include <stddef.h>
#include <stdint.h>

void zkm_uart_start(void);

/* Waits until every byte is taken. */
void zkm_uart_write(const uint8_t *data, size_t size);

/* The next byte, 0..255, or -1 if none has arrived. */
int zkm_uart_poll(void);

/* The next byte, 0..255; waits for it. The end of input is not signalled: the sender says how much comes. */
int zkm_uart_read(void);

#endif
