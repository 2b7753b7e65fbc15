/* Where the log ended, in a ring of flash pages: slots one behind the other in a page, then the next page.
 * docs/firmware.md says why no power cut makes it forget. */
#ifndef ZKM_JOURNAL_H
#define ZKM_JOURNAL_H

#include "pages.h"

/* Finds the current slot at boot; sets the device's journal fields and `before`, and leaves the slot in slot if there
 * is one. ZKM_BAD_ARGUMENT: no such flash; ZKM_FLASH: unreadable, or damaged so that the current slot is in doubt. */
zkm_status zkm_journal_open(zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES]);

/* Reads the current slot, which must exist. ZKM_FLASH: it is not what it was. */
zkm_status zkm_journal_read(const zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES]);

/* Completes a slot in which the checkpoints are already at their places, and makes it the current one; position is
 * where the log ends. ZKM_FLASH: it did not get there, the one before is still current; call again. */
zkm_status zkm_journal_write(
    zkm_device *device, const zkm_position *position, bool with_opening, uint8_t slot[ZKM_SLOT_BYTES]
);

#endif
