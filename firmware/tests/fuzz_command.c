/* libFuzzer: what comes from the line, with samples and ticks between; the device keeps its promises. The input is
 * commands, each behind its length; one whose first byte has its top bit set is stuffed into a valid frame, and a clock
 * command of the right length gets the right tag. */
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "frame.h"
#include "host.h"

#define START_MS 1700000000000U
#define CLOCK_BYTES (1 + ZKM_CLOCK_FIELDS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void drain(zkm_device *device)
{
    uint8_t frame[ZKM_FRAME_BYTES];
    uint8_t body[ZKM_BODY_MAX + ZKM_FRAME_EXTRA];
    size_t length;
    do {
        check(zkm_next_frame(device, frame, sizeof frame, &length) == ZKM_OK);
        check(length == 0 || zkm_frame_decode(frame, length - 1, body, sizeof body) > 0);
    } while (length > 0);
}

static bool is_clock(const uint8_t *data, size_t size)
{
    return data[0] == ZKM_COMMAND_CLOCK && size == CLOCK_BYTES;
}

static size_t stuffed(const zkm_device *device, const uint8_t *data, size_t size, uint8_t frame[ZKM_FRAME_BYTES])
{
    static zkm_outgoing line;
    zkm_outgoing_clear(&line);
    zkm_frame_begin(&line, data[0]);
    zkm_frame_add(&line, data + 1, size - 1);
    if (is_clock(data, size)) {
        uint8_t tag[ZKM_CLOCK_TAG];
        zkm_clock_tag(device->session_key, data + 1, tag);
        zkm_frame_add(&line, tag, sizeof tag);
    }
    zkm_frame_end(&line);
    return zkm_frame_take(&line, frame) - 1;
}

/* One command, then a sample; the last byte says how much time goes by. */
static void step(zkm_device *device, const uint8_t *data, size_t size, uint64_t *now_ms)
{
    const uint32_t values[1] = {data[0]};
    const uint32_t clocks = device->clocks;
    if ((data[0] & 0x80) != 0) {
        uint8_t frame[ZKM_FRAME_BYTES];
        const size_t length = stuffed(device, data, size, frame);
        (void)zkm_command(device, frame, length, *now_ms);
    } else {
        (void)zkm_command(device, data, size, *now_ms);
    }
    /* a clock command is obeyed if its tag was made here */
    check(device->clocks == clocks || is_clock(data, size));
    *now_ms += data[size - 1];
    const zkm_status status = zkm_sample(device, values, *now_ms);
    check(status == ZKM_OK || status == ZKM_FULL || status == ZKM_TIME);
    if (data[size - 1] % 3 == 0) {
        drain(device);
    }
    const zkm_status tick = zkm_tick(device, *now_ms);
    check(tick == ZKM_OK || tick == ZKM_FULL || tick == ZKM_TIME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static zkm_host *host;
    static uint8_t erased[ZKM_PAGE_COUNT * ZKM_PAGE_BYTES];
    static const zkm_config config = {.channels = 1, .bits = {12}, .window_ms = 500, .operator_key = {9}};
    static const uint8_t seed[32] = {1};
    static const uint8_t salt_secret[32] = {2};
    uint64_t now_ms = START_MS;
    if (host == NULL) {
        host = zkm_host_new();
        check(host != NULL);
        memset(erased, 0xff, sizeof erased);
        zkm_host_random(host, ZKM_RANDOM_SEEDED);
    }
    memcpy(zkm_host_flash(host), erased, sizeof erased);
    check(zkm_host_boot(host, &config, seed, salt_secret, now_ms) == ZKM_OK);
    zkm_device *const device = zkm_host_device(host);
    size_t at = 0;
    while (at < size) {
        const size_t wanted = data[at++];
        const size_t length = wanted < size - at ? wanted : size - at;
        if (length > 0) {
            step(device, data + at, length, &now_ms);
        }
        at += length;
    }
    drain(device);
    return 0;
}
