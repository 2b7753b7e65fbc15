/* libsodium on the bare board, for the bench only: its random source is a counter. */
#ifndef ZKM_SODIUM_GLUE_H
#define ZKM_SODIUM_GLUE_H

/* 0, or -1 if libsodium does not start. */
int zkm_sodium_start(void);

#endif
