#include "uart.h"

typedef struct {
    uint32_t data, state, control, interrupts, divisor;
} uart_registers;

#define UART ((volatile uart_registers *)0x40004000U)
#define STATE_SEND_FULL 1U
#define STATE_RECEIVED 2U
#define CONTROL_SEND_RECEIVE 3U
#define SMALLEST_DIVISOR 16U

void zkm_uart_start(void)
{
    UART->divisor = SMALLEST_DIVISOR;
    UART->control = CONTROL_SEND_RECEIVE;
}

void zkm_uart_write(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        while ((UART->state & STATE_SEND_FULL) != 0) {
        }
        UART->data = data[i];
    }
}

int zkm_uart_poll(void)
{
    return (UART->state & STATE_RECEIVED) != 0 ? (int)(UART->data & 0xffU) : -1;
}

int zkm_uart_read(void)
{
    int byte;
    do {
        byte = zkm_uart_poll();
    } while (byte < 0);
    return byte;
}
