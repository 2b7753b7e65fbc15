/* The sensor on the emulated board: an ADC and a clock that a file plays, flash pages in RAM that a file keeps, frames
 * out and commands in over the UART.
 *
 * Arguments: DEVICE SAMPLES FLASH RANDOM, four paths on the host.
 * DEVICE: 153 bytes: channels u8, bits 7 x u8, period_ms u32, schema digest 32, window_ms u32, operator key 32,
 * may_miss u8, seed 32, salt secret 32, now_ms u64.
 * SAMPLES: entries of kind u8 (0 sample, 1 missed, 2 tick, 3 close the window), time_ms u64, and for a sample u32 for
 * every channel. FLASH: its pages, 2048 bytes; made if it is not there. RANDOM: as many bytes as are wanted, such as
 * /dev/urandom. Everything little-endian. At the end it prints the stack's high-water mark. Exit status: 0,
 * a zkm_status, or 20 and up for the files. */
#include <string.h>

#include "bytes.h"
#include "memory_flash.h"
#include "semihosting.h"
#include "startup.h"
#include "uart.h"
#include "wipe.h"
#include "zkmeter.h"

enum { EXIT_ARGUMENTS = 20, EXIT_DEVICE = 21, EXIT_SAMPLES = 22, EXIT_FLASH = 23 };
enum { ENTRY_SAMPLE, ENTRY_MISSED, ENTRY_TICK, ENTRY_CLOSE };

/* a board that has to last takes more and larger ones: docs/firmware.md */
#define PAGES 2U
#define PAGE_BYTES 1024U
#define DEVICE_BYTES 153
#define COMMAND_LINE_BYTES 512
#define ENTRY_HEAD 9
#define ARGUMENT_COUNT 4

static zkm_device device;
static zkm_config config;
static int random_file;
static uint8_t command[ZKM_COMMAND_BYTES];
static size_t command_size;

/* not the device's memory: a board's flash. A section of its own, so that figures can leave it out. */
__attribute__((section(".bss.emulated_flash"))) static uint8_t flash[PAGES * PAGE_BYTES];
static zkm_memory_flash pages = {flash, PAGE_BYTES};

static bool draw(void *context, uint8_t *out, size_t size)
{
    (void)context;
    return zkm_read(random_file, out, size) == size;
}

static void load_flash(const char *path)
{
    const int file = zkm_open(path, ZKM_OPEN_READ);
    memset(flash, 0xff, sizeof flash);
    if (file >= 0) {
        if (zkm_read(file, flash, sizeof flash) != sizeof flash) {
            zkm_exit(EXIT_FLASH);
        }
        (void)zkm_close(file);
    }
}

static void save_flash(const char *path)
{
    const int file = zkm_open(path, ZKM_OPEN_WRITE);
    if (file < 0 || zkm_write(file, flash, sizeof flash) != sizeof flash) {
        zkm_exit(EXIT_FLASH);
    }
    (void)zkm_close(file);
}

/* Cuts the command line at its spaces; the program's own name is the first word. */
static void read_arguments(char line[COMMAND_LINE_BYTES], const char *paths[ARGUMENT_COUNT])
{
    if (zkm_command_line(line, COMMAND_LINE_BYTES) != 0) {
        zkm_exit(EXIT_ARGUMENTS);
    }
    char *at = line;
    for (int i = 0; i < ARGUMENT_COUNT; i++) {
        char *const space = strchr(at, ' ');
        if (space != NULL) {
            *space = '\0';
            at = space + 1;
            paths[i] = at;
        } else {
            zkm_exit(EXIT_ARGUMENTS);
        }
    }
}

static void start(const char *path)
{
    static const zkm_port port = {
        .context = &pages, .random = draw, .flash_read = zkm_memory_flash_read, .flash_erase = zkm_memory_flash_erase,
        .flash_write = zkm_memory_flash_write, .page_count = PAGES, .page_bytes = PAGE_BYTES,
    };
    uint8_t bytes[DEVICE_BYTES];
    const int file = zkm_open(path, ZKM_OPEN_READ);
    if (file < 0 || zkm_read(file, bytes, sizeof bytes) != sizeof bytes) {
        zkm_exit(EXIT_DEVICE);
    }
    (void)zkm_close(file);
    config.channels = bytes[0];
    memcpy(config.bits, bytes + 1, sizeof config.bits);
    config.period_ms = (uint32_t)zkm_get(bytes + 8, 4);
    memcpy(config.schema_digest, bytes + 12, 32);
    config.window_ms = (uint32_t)zkm_get(bytes + 44, 4);
    memcpy(config.operator_key, bytes + 48, 32);
    config.may_miss = bytes[80] != 0;
    const zkm_status status =
        zkm_init(&device, &config, &port, bytes + 81, bytes + 113, zkm_get(bytes + 145, 8));
    zkm_wipe_memory(bytes, sizeof bytes);
    if (status != ZKM_OK) {
        zkm_exit((int)status);
    }
}

static void send_all(void)
{
    uint8_t frame[ZKM_FRAME_BYTES];
    size_t length;
    do {
        (void)zkm_next_frame(&device, frame, sizeof frame, &length);
        zkm_uart_write(frame, length);
    } while (length > 0);
}

/* What has arrived; what a command answers goes out with the next frames. */
static void receive(uint64_t now_ms)
{
    for (int byte = zkm_uart_poll(); byte >= 0; byte = zkm_uart_poll()) {
        if (byte == 0) {
            if (command_size <= sizeof command) {
                (void)zkm_command(&device, command, command_size, now_ms);
            }
            command_size = 0;
            send_all();
        } else if (command_size < sizeof command) {
            command[command_size++] = (uint8_t)byte;
        } else {
            command_size = sizeof command + 1;
        }
    }
}

static zkm_status apply(uint8_t kind, uint64_t time_ms, const uint32_t *values)
{
    switch (kind) {
    case ENTRY_SAMPLE:
        return zkm_sample(&device, values, time_ms);
    case ENTRY_MISSED:
        return zkm_missed(&device, time_ms);
    case ENTRY_TICK:
        return zkm_tick(&device, time_ms);
    default:
        return zkm_close_window(&device, time_ms);
    }
}

/* The ADC's driver: plays the file. */
static zkm_status play(int file)
{
    for (;;) {
        uint8_t bytes[ENTRY_HEAD + 4 * ZKM_CHANNELS_MAX];
        uint32_t values[ZKM_CHANNELS_MAX] = {0};
        const size_t got = zkm_read(file, bytes, ENTRY_HEAD);
        if (got == 0) {
            return ZKM_OK;
        }
        const size_t more = bytes[0] == ENTRY_SAMPLE ? (size_t)config.channels * 4 : 0;
        if (got != ENTRY_HEAD || bytes[0] > ENTRY_CLOSE || zkm_read(file, bytes + ENTRY_HEAD, more) != more) {
            zkm_exit(EXIT_SAMPLES);
        }
        for (size_t i = 0; 4 * i < more; i++) {
            values[i] = (uint32_t)zkm_get(bytes + ENTRY_HEAD + 4 * i, 4);
        }
        const uint64_t time_ms = zkm_get(bytes + 1, 8);
        zkm_status status;
        do {
            status = apply(bytes[0], time_ms, values);
            send_all();
            receive(time_ms);
        } while (status == ZKM_FULL);
        if (status != ZKM_OK) {
            return status;
        }
    }
}

int main(void)
{
    static char line[COMMAND_LINE_BYTES];
    const char *paths[ARGUMENT_COUNT];
    read_arguments(line, paths);
    const int samples = zkm_open(paths[1], ZKM_OPEN_READ);
    random_file = zkm_open(paths[3], ZKM_OPEN_READ);
    if (samples < 0) {
        return EXIT_SAMPLES;
    }
    zkm_uart_start();
    load_flash(paths[2]);
    start(paths[0]);
    send_all();
    const zkm_status status = play(samples);
    save_flash(paths[2]);
    zkm_wipe(&device);
    zkm_print("stack ");
    zkm_print_number(zkm_stack_used());
    zkm_print("\n");
    return (int)status;
}
