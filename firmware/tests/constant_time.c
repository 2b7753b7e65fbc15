/* One session with every secret marked: both keys, all randomness, all readings. With an argument it looks up a
 * secret in a table instead: valgrind must complain. */
#include <string.h>

#include "constant_time.h"
#include "zkmeter.h"

#define START_MS 1700000000000U
#define WINDOW_MS 1000U

static uint8_t flash[ZKM_PAGE_COUNT][ZKM_PAGE_BYTES];
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

static bool flash_read(void *context, uint32_t page, uint8_t *out, size_t size)
{
    (void)context;
    memcpy(out, flash[page], size);
    return true;
}

static bool flash_erase(void *context, uint32_t page)
{
    (void)context;
    memset(flash[page], 0xff, ZKM_PAGE_BYTES);
    return true;
}

static bool flash_write(void *context, uint32_t page, const uint8_t *data, size_t size)
{
    (void)context;
    memcpy(flash[page], data, size);
    return true;
}

/* Whether every call succeeded. */
static bool live(uint32_t period_ms)
{
    static zkm_device device;
    const zkm_port port = {NULL, draw, flash_read, flash_erase, flash_write};
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
    fine = fine && zkm_missed(&device, START_MS + 4000) == ZKM_OK &&
           zkm_close_window(&device, START_MS + 4001) == ZKM_FULL;
    zkm_wipe(&device);
    return fine;
}

static uint8_t leak(void)
{
    uint8_t secret = 5;
    ZKM_SECRET(&secret, sizeof secret);
    uint8_t found = flash[0][secret];
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
