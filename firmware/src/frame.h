/* Frames on the UART: COBS of (type, body, CRC-32), then a zero byte. */
#ifndef ZKM_FRAME_H
#define ZKM_FRAME_H

#include "zkmeter.h"

enum {
    ZKM_FRAME_SESSION = 0x01,
    ZKM_FRAME_WINDOW = 0x02,
    ZKM_FRAME_DATA = 0x03,
    ZKM_FRAME_CHECKPOINT = 0x04,
    ZKM_FRAME_STATUS = 0x05,
    ZKM_COMMAND_STATUS = 0x81,
    ZKM_COMMAND_CLOCK = 0x82,
    ZKM_COMMAND_REPEAT = 0x83
};

#define ZKM_BODY_MAX 600
#define ZKM_FRAME_EXTRA 5 /* type and CRC */

/* Bytes of a frame on the line, at most; body: 0..ZKM_BODY_MAX. */
#define ZKM_FRAME_COST(body) ((size_t)(body) + ZKM_FRAME_EXTRA + ((size_t)(body) + ZKM_FRAME_EXTRA + 253) / 254 + 1)

void zkm_outgoing_clear(zkm_outgoing *outgoing);

/* Room in bytes, 0..ZKM_OUTGOING_BYTES. */
size_t zkm_outgoing_free(const zkm_outgoing *outgoing);

/* A frame is begun, filled in pieces and ended. Before: room for ZKM_FRAME_COST of its whole body. */
void zkm_frame_begin(zkm_outgoing *outgoing, uint8_t type);
void zkm_frame_add(zkm_outgoing *outgoing, const uint8_t *data, size_t size);
void zkm_frame_end(zkm_outgoing *outgoing);

/* Moves the oldest frame to out (ZKM_FRAME_BYTES); its length, 0 if there is none. */
size_t zkm_frame_take(zkm_outgoing *outgoing, uint8_t *out);

/* Undoes COBS and checks the CRC of a frame without its delimiter; any bytes. The size of type and body,
 * 1..capacity - 4, which are then at the start of out; 0 if the frame is noise or does not fit. out may be overwritten
 * either way. */
size_t zkm_frame_decode(const uint8_t *frame, size_t length, uint8_t *out, size_t capacity);

#endif
