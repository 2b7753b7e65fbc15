/* What the parts of the device's interface share. */
#ifndef ZKM_DEVICE_H
#define ZKM_DEVICE_H

#include "zkmeter.h"

/* The device's clock for an application's time; false, and nothing in out, outside 0..ZKM_TIME_MAX. */
static inline bool zkm_device_time(const zkm_device *device, uint64_t application_ms, uint64_t *out)
{
    const uint64_t time = application_ms + (uint64_t)device->clock_offset; /* what is below 0 is far above the rest */
    if (application_ms > ZKM_TIME_MAX || time > ZKM_TIME_MAX) {
        return false;
    }
    *out = time;
    return true;
}

/* Whether the epoch has a record. */
static inline bool zkm_has_records(const zkm_device *device)
{
    return device->records_in_epoch > 0 || device->records > 0;
}

/* The session frame; there is room for ZKM_SESSION_BODY. */
#define ZKM_SESSION_FIELDS (2 + 32 + 4 + 32 + 32)
#define ZKM_SESSION_BODY (ZKM_SESSION_FIELDS + 64)
void zkm_send_session(zkm_device *device);

#endif
