/* The signed checkpoint's bytes, and the slot that keeps it: docs/protocol.md, section 4, and the journal. */
#ifndef ZKM_CHECKPOINT_H
#define ZKM_CHECKPOINT_H

#include "zkmeter.h"

#define ZKM_CHECKPOINT_BYTES 140
#define ZKM_OPENING_BYTES 188
#define ZKM_SIGNED_CHECKPOINT_BYTES (ZKM_CHECKPOINT_BYTES + 64)
#define ZKM_SIGNED_OPENING_BYTES (ZKM_OPENING_BYTES + 64)

/* The chain value of checkpoint 0 of the epoch that the device is in. */
void zkm_opening_chain(const zkm_device *device, uint32_t chain[ZKM_BLOCK]);

/* Checkpoint 0 of the epoch with its signature. */
void zkm_write_opening(const zkm_device *device, uint8_t out[ZKM_SIGNED_OPENING_BYTES]);

/* The checkpoint that closes the sealed window with its signature. */
void zkm_write_checkpoint(const zkm_device *device, uint8_t out[ZKM_SIGNED_CHECKPOINT_BYTES]);

#endif
