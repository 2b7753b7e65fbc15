/* What the parts of the device's interface share. */
#ifndef ZKM_DEVICE_H
#define ZKM_DEVICE_H

#include "zkmeter.h"

/* The device's clock for an application's time; false, and nothing in out, outside 0..ZKM_TIME_MAX. */
bool zkm_device_time(const zkm_device *device, uint64_t application_ms, uint64_t *out);

/* The earliest time that has not been closed or recorded. */
uint64_t zkm_earliest(const zkm_device *device);

/* The session frame; there is room for ZKM_SESSION_BODY. */
#define ZKM_SESSION_FIELDS (2 + 32 + 4 + 32 + 32)
#define ZKM_SESSION_BODY (ZKM_SESSION_FIELDS + 64)
void zkm_send_session(zkm_device *device);

#endif
