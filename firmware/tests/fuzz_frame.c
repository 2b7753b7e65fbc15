/* libFuzzer: undoing COBS never leaves its buffers, and what was stuffed comes back. */
#include <stdlib.h>
#include <string.h>

#include "frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static zkm_outgoing line;
    uint8_t frame[ZKM_FRAME_BYTES];
    uint8_t body[ZKM_BODY_MAX + ZKM_FRAME_EXTRA];
    const size_t capacity = size > 0 ? (size_t)data[0] * 3 % sizeof body : 0;
    uint8_t *const small = malloc(capacity + 1); /* its end is watched */
    if (small == NULL) {
        return 0;
    }
    if (zkm_frame_decode(data, size, small, capacity) > capacity) {
        abort();
    }
    free(small);
    if (size == 0 || size > ZKM_BODY_MAX) {
        return 0;
    }
    zkm_outgoing_clear(&line);
    line.first = (uint16_t)((data[0] * 7U) % ZKM_OUTGOING_BYTES); /* the ring's end lies anywhere */
    zkm_frame_begin(&line, data[0]);
    zkm_frame_add(&line, data + 1, size - 1);
    zkm_frame_end(&line);
    const size_t length = zkm_frame_take(&line, frame);
    if (length > ZKM_FRAME_COST(size - 1) || memchr(frame, 0, length) != frame + length - 1) {
        abort();
    }
    if (zkm_frame_decode(frame, length - 1, body, sizeof body) != size || memcmp(body, data, size) != 0) {
        abort();
    }
    return 0;
}
