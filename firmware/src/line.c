/* The line: frames out, commands in. */
#include <string.h>

#include "bytes.h"
#include "crypto.h"
#include "device.h"
#include "frame.h"
#include "window.h"

#define SESSION_VERSION 1
#define STATUS_BODY 20
#define COMMAND_MAX 13 /* type, a time, CRC */
#define CLOCK_TOLERANCE_MS 2000U

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
    out = zkm_put(out, device->flags, 2);
    out = zkm_put(out, room, 2);
    out = zkm_put(out, device->epoch, 4);
    (void)zkm_put(out, device->index, 4);
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

/* now_ms: the application's time; clock: the device's; wanted: what the device's shall be */
static zkm_status set_clock(zkm_device *device, uint64_t now_ms, uint64_t clock, uint64_t wanted)
{
    if (wanted > ZKM_TIME_MAX) {
        return ZKM_TIME;
    }
    const int64_t offset = (int64_t)wanted - (int64_t)now_ms;
    if (!has_begun(device)) { /* nothing is known of the epoch: it starts again, with a clock that is right */
        if (wanted < device->before.end_ms) {
            return ZKM_TIME;
        }
        device->clock_offset = offset;
        device->flags = (uint16_t)(device->flags & ~ZKM_CLOCK_SET);
        zkm_begin_epoch(device, wanted);
        return ZKM_OK;
    }
    const bool forward = wanted >= clock && wanted - clock <= ZKM_CLOCK_STEP_MS;
    const bool back = wanted < clock && device->records_in_epoch == 0 && wanted >= zkm_earliest(device);
    if (!forward && !back) {
        return ZKM_TIME;
    }
    device->clock_offset = offset;
    if (device->records_in_epoch > 0 && wanted - clock > CLOCK_TOLERANCE_MS) {
        device->flags |= ZKM_CLOCK_SET;
    }
    return ZKM_OK;
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
    if (size == 9 && command[0] == ZKM_COMMAND_CLOCK) {
        return set_clock(device, now_ms, clock, zkm_get(command + 1, 8));
    }
    if (size == 1 && command[0] == ZKM_COMMAND_REPEAT) {
        return repeat(device);
    }
    return ZKM_BAD_FRAME;
}
