/* One window: its records go into the chain and into data frames; at its end salt, journal and checkpoint. */
#ifndef ZKM_WINDOW_H
#define ZKM_WINDOW_H

#include "journal.h"

#define ZKM_ROWS_MAX ((1U << 20) - 512U) /* of one window in a claim over it alone */

/* Draws size (24..32) bytes, not all equal and not those of the draw before. */
bool zkm_draw(zkm_device *device, uint8_t *out, size_t size);

/* Begins the epoch after `before` at start_ms, with the flags that are set. */
void zkm_begin_epoch(zkm_device *device, uint64_t start_ms);

/* One record of device->elements codes, each below p; its time lies in the window, which is not sealed and has room for
 * it (zkm_window_is_full). ZKM_FULL, ZKM_NO_RANDOMNESS: not recorded. */
zkm_status zkm_add_record(zkm_device *device, const uint32_t codes[ZKM_BLOCK]);

/* Whether one more record could make a claim over this window too long. */
bool zkm_window_is_full(const zkm_device *device);

/* Closes the window at end_ms (a sealed one where it was sealed) and opens the next. On an error (ZKM_FULL, ZKM_FLASH,
 * ZKM_NO_RANDOMNESS, ZKM_WORN) it is as before, or sealed. */
zkm_status zkm_close_at(zkm_device *device, uint64_t end_ms);

/* Room for the frames of a slot's checkpoints. */
bool zkm_has_room_for_checkpoints(const zkm_device *device, bool with_opening);

/* Sends the checkpoints of a slot; there is room. */
void zkm_send_checkpoints(zkm_device *device, const uint8_t slot[ZKM_SLOT_BYTES]);

#endif
