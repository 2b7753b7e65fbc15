/* The line: frames out, commands in. */
#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "device.h"
#include "frame.h"
#include "window.h"

#define SESSION_VERSION 1
#define STATUS_BODY 24
#define CLOCK_COMMAND (1 + ZKM_CLOCK_FIELDS + ZKM_CLOCK_TAG)
#define COMMAND_MAX (CLOCK_COMMAND + 4) /* with its CRC */
_Static_assert(ZKM_FRAME_COST(CLOCK_COMMAND - 1) == ZKM_COMMAND_BYTES + 1, "the longest command");

#define HAS_RECORDS 0x8000U /* beside the flags of a status: then a step is one in the log */

void zkm_send_session(zkm_device *device)
{
    uint8_t message[4 + ZKM_SESSION_BODY] = "ZKMd";
    uint8_t *out = zkm_put(message + 4, SESSION_VERSION, 2);
    memcpy(out, device->signing_key + 32, 32);
    out = zkm_put(out + 32, device->epoch, 4);
    memcpy(out, device->session_public, 32);
    memcpy(out + 32, device->config.schema_digest, 32);
    zkm_sign(device->signing_key, message, 4 + ZKM_SESSION_FIELDS, message + 4 + ZKM_SESSION_FIELDS);
    zkm_frame_begin(&device->outgoing, ZKM_FRAME_SESSION);
    zkm_frame_add(&device->outgoing, message + 4, ZKM_SESSION_BODY);
    zkm_frame_end(&device->outgoing);
}

zkm_status zkm_next_frame(zkm_device *device, uint8_t *out, size_t capacity, size_t *length)
{
    *length = 0;
    if (!device->running || capacity < ZKM_FRAME_BYTES) {
        return ZKM_BAD_ARGUMENT;
    }
    *length = zkm_frame_take(&device->outgoing, out);
    device->unsent_checkpoints =
        device->unsent_checkpoints > *length ? (uint16_t)(device->unsent_checkpoints - *length) : 0;
    return ZKM_OK;
}

static zkm_status send_status(zkm_device *device, uint64_t time_ms)
{
    uint8_t body[STATUS_BODY];
    const size_t room = zkm_outgoing_free(&device->outgoing);
    if (room < ZKM_FRAME_COST(STATUS_BODY)) {
        return ZKM_FULL;
    }
    uint8_t *out = zkm_put(body, time_ms, 8);
    out = zkm_put(out, device->flags | (zkm_has_records(device) ? HAS_RECORDS : 0), 2);
    out = zkm_put(out, room, 2);
    out = zkm_put(out, device->epoch, 4);
    out = zkm_put(out, device->index, 4);
    (void)zkm_put(out, device->clocks, 4);
    ZKM_PUBLIC(body, sizeof body);
    zkm_frame_begin(&device->outgoing, ZKM_FRAME_STATUS);
    zkm_frame_add(&device->outgoing, body, sizeof body);
    zkm_frame_end(&device->outgoing);
    return ZKM_OK;
}

static bool has_begun(const zkm_device *device)
{
    return device->index > 0 || device->streaming || device->sealed;
}

/* Beyond a little in all, the time is no longer what the application's clock says but the operator's word: CLOCK_SET,
 * which nothing takes back before the next boot. */
static void count_move(zkm_device *device, uint64_t by_ms)
{
    if (by_ms > ZKM_CLOCK_FREE_MS - device->clock_moved_ms) {
        device->flags |= ZKM_CLOCK_SET;
    } else {
        device->clock_moved_ms = (uint16_t)(device->clock_moved_ms + by_ms);
    }
}

/* now_ms: the application's time; clock: the device's; wanted: what the device's shall be */
static zkm_status set_clock(zkm_device *device, uint64_t now_ms, uint64_t clock, uint64_t wanted)
{
    if (wanted >= ZKM_CLOCK_MAX_MS) {
        return ZKM_TIME;
    }
    const bool begun = has_begun(device);
    const bool forward = wanted >= clock && wanted - clock <= ZKM_CLOCK_STEP_MS;
    const bool back = wanted < clock && !zkm_has_records(device) && wanted >= device->earliest_ms;
    if (begun ? !forward && !back : wanted < device->before.end_ms) {
        return ZKM_TIME;
    }
    device->clock_offset = (int64_t)wanted - (int64_t)now_ms;
    count_move(device, wanted < clock ? clock - wanted : wanted - clock);
    if (!begun) { /* nothing is known of the epoch: it starts again, at this time and with these flags */
        zkm_begin_epoch(device, wanted);
    }
    return ZKM_OK;
}

/* command: its type, its fields, its tag */
static zkm_status clock_command(
    zkm_device *device, const uint8_t command[CLOCK_COMMAND], uint64_t now_ms, uint64_t clock
)
{
    const uint8_t *const fields = command + 1;
    const uint64_t count = zkm_get(fields + 8, 4);
    if (!zkm_clock_tag_holds(device->session_key, fields, fields + ZKM_CLOCK_FIELDS) || count != device->clocks ||
        count == UINT32_MAX) { /* the last one: no count is used twice */
        return ZKM_BAD_FRAME;
    }
    const zkm_status status = set_clock(device, now_ms, clock, zkm_get(fields, 8));
    if (status == ZKM_OK) {
        device->clocks++;
    }
    return status;
}

static zkm_status repeat(zkm_device *device)
{
    uint8_t slot[ZKM_SLOT_BYTES];
    size_t room = ZKM_FRAME_COST(ZKM_SESSION_BODY);
    if (device->journal_used) {
        const zkm_status status = zkm_journal_read(device, slot);
        if (status != ZKM_OK) {
            return status;
        }
        room += ZKM_FRAME_COST(ZKM_SIGNED_OPENING_BYTES) + ZKM_FRAME_COST(ZKM_SIGNED_CHECKPOINT_BYTES);
    }
    if (zkm_outgoing_free(&device->outgoing) < room) {
        return ZKM_FULL;
    }
    zkm_send_session(device);
    if (device->journal_used) {
        zkm_send_checkpoints(device, slot);
    }
    return ZKM_OK;
}

zkm_status zkm_command(zkm_device *device, const uint8_t *frame, size_t length, uint64_t now_ms)
{
    uint8_t command[COMMAND_MAX];
    uint64_t clock = 0;
    if (!device->running) {
        return ZKM_BAD_ARGUMENT;
    }
    if (!zkm_device_time(device, now_ms, &clock)) {
        return ZKM_TIME;
    }
    const size_t size = zkm_frame_decode(frame, length, command, sizeof command);
    if (size == 1 && command[0] == ZKM_COMMAND_STATUS) {
        return send_status(device, clock);
    }
    if (size == CLOCK_COMMAND && command[0] == ZKM_COMMAND_CLOCK) {
        return clock_command(device, command, now_ms, clock);
    }
    if (size == 1 && command[0] == ZKM_COMMAND_REPEAT) {
        return repeat(device);
    }
    return ZKM_BAD_FRAME;
}
