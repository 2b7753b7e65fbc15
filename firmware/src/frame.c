#include "frame.h"

#include <string.h>

#include "bytes.h"

#define CRC_START 0xffffffffU
#define CRC_BYTES 4
#define LONGEST_RUN 0xffU

/* CRC-32 of IEEE 802.3, reflected, four bits at a time */
static uint32_t crc_step(uint32_t crc, uint8_t byte)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc ^= byte;
    crc = crc >> 4 ^ table[crc & 15];
    return crc >> 4 ^ table[crc & 15];
}

void zkm_outgoing_clear(zkm_outgoing *outgoing)
{
    memset(outgoing, 0, sizeof *outgoing);
}

size_t zkm_outgoing_free(const zkm_outgoing *outgoing)
{
    return (size_t)(ZKM_OUTGOING_BYTES - outgoing->used);
}

static uint16_t wrapped(unsigned position)
{
    return (uint16_t)(position < ZKM_OUTGOING_BYTES ? position : position - ZKM_OUTGOING_BYTES);
}

static void put(zkm_outgoing *outgoing, uint8_t byte)
{
    outgoing->ring[wrapped((unsigned)outgoing->first + outgoing->used)] = byte;
    outgoing->used++;
}

static void start_run(zkm_outgoing *outgoing)
{
    outgoing->code = wrapped((unsigned)outgoing->first + outgoing->used);
    outgoing->run = 1;
    put(outgoing, 0);
}

static void next_run(zkm_outgoing *outgoing)
{
    outgoing->ring[outgoing->code] = outgoing->run;
    start_run(outgoing);
}

static void stuff(zkm_outgoing *outgoing, uint8_t byte)
{
    if (outgoing->run == LONGEST_RUN) {
        next_run(outgoing);
    }
    if (byte == 0) {
        next_run(outgoing);
    } else {
        put(outgoing, byte);
        outgoing->run++;
    }
}

void zkm_frame_begin(zkm_outgoing *outgoing, uint8_t type)
{
    outgoing->crc = CRC_START;
    start_run(outgoing);
    zkm_frame_add(outgoing, &type, 1);
}

void zkm_frame_add(zkm_outgoing *outgoing, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        outgoing->crc = crc_step(outgoing->crc, data[i]);
        stuff(outgoing, data[i]);
    }
}

void zkm_frame_end(zkm_outgoing *outgoing)
{
    uint8_t crc[CRC_BYTES];
    (void)zkm_put(crc, ~outgoing->crc, CRC_BYTES);
    for (size_t i = 0; i < CRC_BYTES; i++) {
        stuff(outgoing, crc[i]);
    }
    outgoing->ring[outgoing->code] = outgoing->run;
    put(outgoing, 0);
}

size_t zkm_frame_take(zkm_outgoing *outgoing, uint8_t *out)
{
    size_t size = 0;
    while (outgoing->used > 0) {
        const uint8_t byte = outgoing->ring[outgoing->first];
        outgoing->first = wrapped(outgoing->first + 1U);
        outgoing->used--;
        out[size++] = byte;
        if (byte == 0) {
            break;
        }
    }
    return size;
}

/* The size before COBS, 0 if it is none or longer than capacity. */
static size_t unstuff(const uint8_t *frame, size_t length, uint8_t *out, size_t capacity)
{
    size_t size = 0;
    size_t at = 0;
    while (at < length) {
        const size_t code = frame[at++];
        if (code == 0 || code - 1 > length - at || code - 1 > capacity - size) {
            return 0;
        }
        for (size_t i = 1; i < code; i++) {
            if (frame[at] == 0) {
                return 0;
            }
            out[size++] = frame[at++];
        }
        if (code != LONGEST_RUN && at < length) {
            if (size == capacity) {
                return 0;
            }
            out[size++] = 0;
        }
    }
    return size;
}

size_t zkm_frame_decode(const uint8_t *frame, size_t length, uint8_t *out, size_t capacity)
{
    const size_t size = unstuff(frame, length, out, capacity);
    if (size < ZKM_FRAME_EXTRA) {
        return 0;
    }
    uint32_t crc = CRC_START;
    for (size_t i = 0; i < size - CRC_BYTES; i++) {
        crc = crc_step(crc, out[i]);
    }
    if (zkm_get(out + size - CRC_BYTES, CRC_BYTES) != (uint32_t)~crc) {
        return 0;
    }
    return size - CRC_BYTES;
}
