/* Where the log ended, in two flash pages of which one is always whole.
 *
 * Slot: magic "ZKMj", version u16, length u16, sequence u32, epoch u32, index u32, end_ms u64, chain 32; the number of
 * checkpoints u8, and for each its length u16 with signature, checkpoint, signature; BLAKE2b of all that. */
#ifndef ZKM_JOURNAL_H
#define ZKM_JOURNAL_H

#include "checkpoint.h"

#define ZKM_SLOT_CLOSING_BYTES 299 /* a slot with the checkpoint that closed a window */
/* where the checkpoints stand in a slot: the closing one alone, or behind the opening one */
#define ZKM_SLOT_FIRST 63
#define ZKM_SLOT_SECOND (ZKM_SLOT_FIRST + ZKM_SIGNED_OPENING_BYTES + 2)

_Static_assert(ZKM_SLOT_FIRST + ZKM_SIGNED_CHECKPOINT_BYTES + 32 == ZKM_SLOT_CLOSING_BYTES, "size of a slot");
_Static_assert(ZKM_SLOT_SECOND + ZKM_SIGNED_CHECKPOINT_BYTES + 32 == ZKM_SLOT_BYTES, "size of the largest slot");
_Static_assert(ZKM_SLOT_BYTES <= ZKM_PAGE_BYTES, "a slot fits a page");

/* Finds the current slot at boot; sets the device's journal fields and `before`, and leaves the slot in slot if there
 * is one. ZKM_FLASH: unreadable, or damaged in a way that no power cut explains. */
zkm_status zkm_journal_open(zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES]);

/* Reads the current slot, which must exist. ZKM_FLASH: it is not what it was. */
zkm_status zkm_journal_read(const zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES]);

/* Completes a slot in which the checkpoints are already at their places, and makes it the current one; position is
 * where the log ends. ZKM_FLASH: it did not get there, the one before is still current; call again with the same. */
zkm_status zkm_journal_write(
    zkm_device *device, const zkm_position *position, bool with_opening, uint8_t slot[ZKM_SLOT_BYTES]
);

/* Whether the slot holds an opening checkpoint too. */
bool zkm_slot_has_opening(const uint8_t slot[ZKM_SLOT_BYTES]);

#endif
