/* A device's life for sanitizers and valgrind: boots, records of every width, windows, commands, power cuts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "frame.h"
#include "host.h"

#define START_MS 1700000000000U
#define WINDOW_MS 1000U

static void require(bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "scenario: %s\n", what);
        exit(1);
    }
}

static size_t drain(zkm_device *device)
{
    uint8_t frame[ZKM_FRAME_BYTES];
    size_t length = 0;
    size_t total = 0;
    do {
        require(zkm_next_frame(device, frame, sizeof frame, &length) == ZKM_OK, "next frame");
        for (size_t i = 0; i < length; i++) {
            total += frame[i]; /* looks at every byte */
        }
    } while (length > 0);
    return total;
}

static void command(zkm_device *device, uint8_t type, const uint8_t *body, size_t size, uint64_t now_ms)
{
    static zkm_outgoing line;
    uint8_t frame[ZKM_FRAME_BYTES];
    zkm_outgoing_clear(&line);
    zkm_frame_begin(&line, type);
    zkm_frame_add(&line, body, size);
    zkm_frame_end(&line);
    const size_t length = zkm_frame_take(&line, frame);
    require(zkm_command(device, frame, length - 1, now_ms) == ZKM_OK, "command");
}

static zkm_status live(zkm_host *host, const zkm_config *config, uint64_t now_ms)
{
    static const uint8_t seed[32] = {1, 2, 3};
    static const uint8_t salt_secret[32] = {4, 5, 6};
    uint8_t clock[ZKM_CLOCK_FIELDS + ZKM_CLOCK_TAG];
    zkm_device *const device = zkm_host_device(host);
    zkm_status status = zkm_host_boot(host, config, seed, salt_secret, now_ms);
    if (status != ZKM_OK) {
        return status;
    }
    (void)drain(device);
    for (unsigned window = 0; window < 3 && status == ZKM_OK; window++) {
        for (uint32_t n = 0; n < 300; n++) {
            uint32_t values[ZKM_CHANNELS_MAX];
            for (uint32_t i = 0; i < ZKM_CHANNELS_MAX; i++) {
                values[i] = n * 977 + i;
            }
            require(zkm_sample(device, values, now_ms + n) == ZKM_OK, "sample");
            if (n % 16 == 0) {
                require(zkm_missed(device, now_ms + n) == ZKM_OK, "missed");
            }
            (void)drain(device);
        }
        now_ms += WINDOW_MS;
        status = zkm_tick(device, now_ms);
        (void)drain(device);
        if (status == ZKM_OK) {
            command(device, ZKM_COMMAND_STATUS, NULL, 0, now_ms);
            command(device, ZKM_COMMAND_REPEAT, NULL, 0, now_ms);
            (void)drain(device);
            (void)zkm_put(zkm_put(clock, now_ms + 1, 8), window, 4); /* one was obeyed in each window */
            zkm_clock_tag(device->session_key, clock, clock + ZKM_CLOCK_FIELDS);
            command(device, ZKM_COMMAND_CLOCK, clock, sizeof clock, now_ms);
            require(zkm_command(device, clock, sizeof clock, now_ms) == ZKM_BAD_FRAME, "noise");
        }
    }
    return status;
}

int main(void)
{
    zkm_config config = {
        .bits = {24, 1, 12, 9, 16, 7, 18}, .window_ms = WINDOW_MS, .operator_key = {9}, .may_miss = true,
    };
    for (uint8_t channels = 1; channels <= ZKM_CHANNELS_MAX; channels++) {
        for (uint32_t period_ms = 0; period_ms < 2; period_ms++) {
            zkm_host *const host = zkm_host_with(2U + channels % 3U, 1024U << (channels % 3));
            require(host != NULL, "memory");
            config.channels = channels;
            config.period_ms = period_ms;
            require(live(host, &config, START_MS) == ZKM_OK, "first life");
            zkm_host_cut_after(host, 700, channels % 3);
            const zkm_status status = live(host, &config, START_MS + 10 * WINDOW_MS);
            require(status == ZKM_FLASH, "power did not go");
            zkm_host_cut_after(host, UINT64_MAX, ZKM_CUT_CLEAN);
            require(live(host, &config, START_MS + 20 * WINDOW_MS) == ZKM_OK, "last life");
            zkm_host_free(host);
        }
    }
    return 0;
}
