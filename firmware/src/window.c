#include "window.h"

#include <string.h>

#include "bytes.h"
#include "chain.h"
#include "crypto.h"
#include "frame.h"
#include "wipe.h"

#define ELEMENT_BYTES 3
#define SALT_BYTES (4 * ZKM_BLOCK)
#define RECORDS_BYTES_MAX (ZKM_PLAIN_BYTES - SALT_BYTES) /* so that the salt always fits behind */
#define WINDOW_BODY (8 + ZKM_STREAM_HEADER_BYTES)
#define DATA_HEAD 10
#define DATA_BODY(plain) (DATA_HEAD + (size_t)(plain) + ZKM_STREAM_EXTRA)

_Static_assert(sizeof(((zkm_device *)0)->work) == ZKM_PLAIN_BYTES + ZKM_STREAM_EXTRA, "a message fits");
/* at most 24 bytes of a frame per row, 480 per frame: the frames of a window can be numbered with 16 bits */
_Static_assert(ZKM_ROWS_MAX / (RECORDS_BYTES_MAX / (ELEMENT_BYTES * ZKM_BLOCK)) < 65535, "frame numbers");

bool zkm_draw(zkm_device *device, uint8_t *out, size_t size)
{
    uint8_t same_byte = 0;
    uint8_t same_draw = 0;
    if (!device->port.random(device->port.context, out, size)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        same_byte |= (uint8_t)(out[i] ^ out[0]);
    }
    for (size_t i = 0; i < sizeof device->last_draw; i++) {
        same_draw |= (uint8_t)(out[i] ^ device->last_draw[i]);
    }
    bool alive = same_byte != 0 && same_draw != 0;
    ZKM_PUBLIC(&alive, sizeof alive);
    return alive;
}

static void begin_window(zkm_device *device, uint64_t start_ms)
{
    device->start_ms = start_ms;
    device->earliest_ms = start_ms;
    device->due_ms = start_ms + device->config.window_ms;
    device->records = 0;
    device->streaming = 0;
    device->sealed = 0;
    device->frame_sequence = 0;
    device->plain_used = 0;
    device->block_used = 0;
    zkm_wipe_memory(device->block, sizeof device->block);
}

void zkm_begin_epoch(zkm_device *device, uint64_t start_ms)
{
    device->epoch = device->journal_used ? device->before.epoch + 1 : 0;
    device->index = 0;
    device->epoch_start_ms = start_ms;
    device->opening_flags = device->flags;
    device->records_in_epoch = 0;
    zkm_opening_chain(device, device->chain);
    begin_window(device, start_ms);
}

/* Opens the window's stream where that has not been done: its frame goes out before any data. */
static zkm_status begin_stream(zkm_device *device)
{
    uint8_t header[ZKM_STREAM_HEADER_BYTES];
    uint8_t position[8];
    if (device->streaming) {
        return ZKM_OK;
    }
    if (zkm_outgoing_free(&device->outgoing) < ZKM_FRAME_COST(WINDOW_BODY)) {
        return ZKM_FULL;
    }
    if (!zkm_draw(device, header, sizeof header)) {
        return ZKM_NO_RANDOMNESS;
    }
    ZKM_PUBLIC(header, sizeof header);
    memcpy(device->last_draw, header, sizeof header);
    zkm_stream_open(device->stream, device->session_key, device->epoch, device->index, header);
    device->streaming = 1;
    (void)zkm_put(zkm_put(position, device->epoch, 4), device->index, 4);
    zkm_frame_begin(&device->outgoing, ZKM_FRAME_WINDOW);
    zkm_frame_add(&device->outgoing, position, sizeof position);
    zkm_frame_add(&device->outgoing, header, sizeof header);
    zkm_frame_end(&device->outgoing);
    return ZKM_OK;
}

/* Sends what is in work; there is room, the stream is open. */
static void send_data(zkm_device *device, bool last)
{
    uint8_t head[DATA_HEAD];
    uint8_t *const out = zkm_put(zkm_put(head, device->epoch, 4), device->index, 4);
    (void)zkm_put(out, device->frame_sequence, 2);
    zkm_stream_push(device->stream, device->work, device->plain_used, head, sizeof head, last);
    zkm_frame_begin(&device->outgoing, ZKM_FRAME_DATA);
    zkm_frame_add(&device->outgoing, head, sizeof head);
    zkm_frame_add(&device->outgoing, device->work, (size_t)device->plain_used + ZKM_STREAM_EXTRA);
    zkm_frame_end(&device->outgoing);
    device->frame_sequence++;
    device->plain_used = 0;
}

zkm_status zkm_add_record(zkm_device *device, const uint32_t codes[ZKM_BLOCK])
{
    const zkm_status status = begin_stream(device);
    if (status != ZKM_OK) {
        return status;
    }
    if ((unsigned)device->plain_used + (unsigned)device->elements * ELEMENT_BYTES > RECORDS_BYTES_MAX) {
        if (zkm_outgoing_free(&device->outgoing) < ZKM_FRAME_COST(DATA_BODY(device->plain_used))) {
            return ZKM_FULL;
        }
        send_data(device, false);
    }
    uint8_t *out = device->work + 1 + device->plain_used;
    uint32_t *const block = device->block + device->block_used;
    for (int i = 0; i < device->elements; i++) {
        out = zkm_put(out, codes[i], ELEMENT_BYTES);
        block[i] = codes[i];
    }
    device->plain_used = (uint16_t)(device->plain_used + device->elements * ELEMENT_BYTES);
    device->block_used = (uint8_t)(device->block_used + device->width);
    if (device->block_used == ZKM_BLOCK) {
        zkm_chain_absorb(device->chain, device->block, ZKM_ROLE_DATA);
        device->block_used = 0;
        memset(device->block, 0, sizeof device->block);
    }
    device->records++;
    if (zkm_window_is_full(device)) {
        device->due_ms = 0;
    }
    return ZKM_OK;
}

bool zkm_window_is_full(const zkm_device *device)
{
    return device->records == device->records_max;
}

/* The last data frame and the closing block. */
static zkm_status seal(zkm_device *device, uint64_t end_ms)
{
    if (device->index == UINT32_MAX) {
        return ZKM_WORN;
    }
    const zkm_status status = begin_stream(device);
    if (status != ZKM_OK) {
        return status;
    }
    if (zkm_outgoing_free(&device->outgoing) < ZKM_FRAME_COST(DATA_BODY(device->plain_used + SALT_BYTES))) {
        return ZKM_FULL;
    }
    uint32_t salt[ZKM_BLOCK];
    zkm_chain_salt(salt, device->salt_secret, device->epoch, device->index);
    if (device->block_used > 0) {
        zkm_chain_absorb(device->chain, device->block, ZKM_ROLE_DATA);
    }
    zkm_chain_absorb(device->chain, salt, ZKM_ROLE_CLOSING);
    ZKM_PUBLIC(device->chain, sizeof device->chain); /* goes into the journal and a checkpoint */
    uint8_t *out = device->work + 1 + device->plain_used;
    for (int i = 0; i < ZKM_BLOCK; i++) {
        out = zkm_put(out, salt[i], 4);
    }
    device->plain_used = (uint16_t)(device->plain_used + SALT_BYTES);
    zkm_wipe_memory(salt, sizeof salt);
    send_data(device, true);
    zkm_wipe_memory(device->stream, sizeof device->stream);
    device->end_ms = end_ms;
    device->earliest_ms = end_ms;
    device->due_ms = 0;
    device->records_in_epoch += device->records;
    device->sealed = 1;
    return ZKM_OK;
}

bool zkm_has_room_for_checkpoints(const zkm_device *device, bool with_opening)
{
    size_t cost = ZKM_FRAME_COST(ZKM_SIGNED_CHECKPOINT_BYTES);
    if (with_opening) {
        cost += ZKM_FRAME_COST(ZKM_SIGNED_OPENING_BYTES);
    }
    return zkm_outgoing_free(&device->outgoing) >= cost;
}

static void send_checkpoint(zkm_device *device, const uint8_t *signed_checkpoint, size_t size)
{
    zkm_frame_begin(&device->outgoing, ZKM_FRAME_CHECKPOINT);
    zkm_frame_add(&device->outgoing, signed_checkpoint, size);
    zkm_frame_end(&device->outgoing);
}

void zkm_send_checkpoints(zkm_device *device, const uint8_t slot[ZKM_SLOT_BYTES])
{
    if (zkm_slot_has_opening(slot)) {
        send_checkpoint(device, slot + ZKM_SLOT_FIRST, ZKM_SIGNED_OPENING_BYTES);
        send_checkpoint(device, slot + ZKM_SLOT_SECOND, ZKM_SIGNED_CHECKPOINT_BYTES);
    } else {
        send_checkpoint(device, slot + ZKM_SLOT_FIRST, ZKM_SIGNED_CHECKPOINT_BYTES);
    }
    device->unsent_checkpoints = device->outgoing.used;
}

/* Journal, then checkpoint. Nothing of the checkpoint before may still wait here: only the newest slot's is sent again
 * after a restart. */
static zkm_status settle(zkm_device *device)
{
    uint8_t slot[ZKM_SLOT_BYTES];
    const bool with_opening = device->index == 0;
    zkm_position position = {.epoch = device->epoch, .index = device->index + 1, .end_ms = device->end_ms};
    if (device->unsent_checkpoints > 0 || !zkm_has_room_for_checkpoints(device, with_opening)) {
        return ZKM_FULL;
    }
    memcpy(position.chain, device->chain, sizeof position.chain);
    if (with_opening) {
        zkm_write_opening(device, slot + ZKM_SLOT_FIRST);
    }
    zkm_write_checkpoint(device, slot + (with_opening ? ZKM_SLOT_SECOND : ZKM_SLOT_FIRST));
    const zkm_status status = zkm_journal_write(device, &position, with_opening, slot);
    if (status != ZKM_OK) {
        return status;
    }
    zkm_send_checkpoints(device, slot);
    device->index++;
    begin_window(device, device->end_ms);
    return ZKM_OK;
}

zkm_status zkm_close_at(zkm_device *device, uint64_t end_ms)
{
    if (!device->sealed) {
        const zkm_status status = seal(device, end_ms);
        if (status != ZKM_OK) {
            return status;
        }
    }
    return settle(device);
}
