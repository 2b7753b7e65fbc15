/* One session with every secret marked: both keys, all randomness, all readings. With an argument it looks up a
 * secret in a table instead: valgrind must complain. */
#include <string.h>

#include "constant_time.h"

#include "bytes.h"
#include "crypto.h"
#include "frame.h"
#include "memory_flash.h"

#define START_MS 1700000000000U
#define WINDOW_MS 1000U
#define PAGES 2U
#define PAGE_BYTES ZKM_PAGE_BYTES_MIN

static uint8_t flash[PAGES * PAGE_BYTES];
static zkm_memory_flash pages = {flash, PAGE_BYTES};
static uint8_t draws;

static bool draw(void *context, uint8_t *out, size_t size)
{
    (void)context;
    draws++;
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(draws * 37 + i * 11);
    }
    ZKM_SECRET(out, size);
    return true;
}

/* A clock command whose tag is wrong, then one whose tag is right: both tags may be known to anybody on the line. */
static bool set_clock(zkm_device *device, uint64_t now_ms)
{
    static zkm_outgoing line;
    uint8_t body[ZKM_CLOCK_FIELDS + ZKM_CLOCK_TAG];
    uint8_t frame[ZKM_FRAME_BYTES];
    bool fine = true;
    (void)zkm_put(zkm_put(body, now_ms, 8), 0, 4);
    zkm_clock_tag(device->session_key, body, body + ZKM_CLOCK_FIELDS);
    ZKM_PUBLIC(body, sizeof body);
    for (uint8_t flip = 2; flip-- > 0;) {
        body[ZKM_CLOCK_FIELDS] ^= flip;
        zkm_outgoing_clear(&line);
        zkm_frame_begin(&line, ZKM_COMMAND_CLOCK);
        zkm_frame_add(&line, body, sizeof body);
        zkm_frame_end(&line);
        const size_t length = zkm_frame_take(&line, frame);
        fine = fine && zkm_command(device, frame, length - 1, now_ms) == (flip ? ZKM_BAD_FRAME : ZKM_OK);
        body[ZKM_CLOCK_FIELDS] ^= flip;
    }
    return fine;
}

/* Whether every call succeeded. */
static bool live(uint32_t period_ms)
{
    static zkm_device device;
    static const zkm_port port = {
        .context = &pages, .random = draw, .flash_read = zkm_memory_flash_read, .flash_erase = zkm_memory_flash_erase,
        .flash_write = zkm_memory_flash_write, .page_count = PAGES, .page_bytes = PAGE_BYTES,
    };
    const zkm_config config = {
        .channels = 2, .bits = {12, 24}, .period_ms = period_ms, .window_ms = WINDOW_MS, .operator_key = {9},
        .may_miss = true,
    };
    uint8_t seed[32];
    uint8_t salt_secret[32];
    uint8_t frame[ZKM_FRAME_BYTES];
    size_t length;
    memset(seed, 7, sizeof seed);
    memset(salt_secret, 8, sizeof salt_secret);
    memset(flash, 0xff, sizeof flash);
    ZKM_SECRET(seed, sizeof seed);
    ZKM_SECRET(salt_secret, sizeof salt_secret);
    bool fine = zkm_init(&device, &config, &port, seed, salt_secret, START_MS) == ZKM_OK;
    for (uint32_t n = 0; n < 400; n++) {
        uint32_t values[2] = {n * 31, n * 65536}; /* some saturate */
        ZKM_SECRET(values, sizeof values);
        fine = fine && zkm_sample(&device, values, START_MS + n * 10) == ZKM_OK;
        do {
            fine = fine && zkm_next_frame(&device, frame, sizeof frame, &length) == ZKM_OK;
        } while (fine && length > 0);
    }
    fine = fine && set_clock(&device, START_MS + 4000) && zkm_missed(&device, START_MS + 4000) == ZKM_OK &&
           zkm_close_window(&device, START_MS + 4001) == ZKM_FULL;
    zkm_wipe(&device);
    return fine;
}

static uint8_t leak(void)
{
    uint8_t secret = 5;
    ZKM_SECRET(&secret, sizeof secret);
    uint8_t found = flash[secret];
    ZKM_PUBLIC(&found, sizeof found);
    return found;
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        return leak();
    }
    return live(0) && live(10) ? 0 : 1;
}
