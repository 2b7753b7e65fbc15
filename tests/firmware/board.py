"""The firmware on this computer, through cffi: what tests switch on, feed and cut the power of."""

from __future__ import annotations

import functools
from enum import IntEnum
from pathlib import Path
from typing import Any

import cffi  # type: ignore[import-untyped]
from nacl.signing import SigningKey

from circuits.schema import Schema
from tests.firmware.build import build
from tests.firmware.line import Operator

SEED = bytes(range(1, 33))
SECRET = bytes(range(101, 133))
T0_MS = 1_700_000_000_000
WINDOW_MS = 10_000
PAGES, PAGE = 2, 1024  # the flash of a board unless a test says otherwise
FRAME_BYTES = 609
OUTGOING_BYTES = 1536
NEVER = 2**64 - 1

DECLARATIONS = """
typedef struct { uint8_t channels; uint8_t bits[7]; uint32_t period_ms; uint8_t schema_digest[32];
    uint32_t window_ms; uint8_t operator_key[32]; bool may_miss; } zkm_config;
typedef struct zkm_host zkm_host;
typedef struct zkm_device zkm_device;
int zkm_sample(zkm_device *, const uint32_t *, uint64_t);
int zkm_missed(zkm_device *, uint64_t);
int zkm_tick(zkm_device *, uint64_t);
int zkm_close_window(zkm_device *, uint64_t);
int zkm_next_frame(zkm_device *, uint8_t *, size_t, size_t *);
int zkm_command(zkm_device *, const uint8_t *, size_t, uint64_t);
int zkm_flags(zkm_device *, uint16_t);
void zkm_wipe(zkm_device *);
size_t zkm_frame_decode(const uint8_t *, size_t, uint8_t *, size_t);
zkm_host *zkm_host_with(uint32_t, uint32_t);
zkm_host *zkm_host_open(const char *, uint32_t, uint32_t);
void zkm_host_free(zkm_host *);
zkm_device *zkm_host_device(zkm_host *);
int zkm_host_boot(zkm_host *, const zkm_config *, const uint8_t *, const uint8_t *, uint64_t);
uint8_t *zkm_host_flash(zkm_host *);
uint64_t zkm_host_worked(const zkm_host *);
void zkm_host_cut_after(zkm_host *, uint64_t, int);
void zkm_host_break_flash(zkm_host *, bool);
void zkm_host_random(zkm_host *, int);
size_t zkm_host_device_size(void);
"""


class Status(IntEnum):
    """zkm_status."""

    OK = 0
    BAD_ARGUMENT = 1
    NO_RANDOMNESS = 2
    FLASH = 3
    FULL = 4
    TIME = 5
    SELF_TEST = 6
    BAD_FRAME = 7
    WORN = 8


class Random(IntEnum):
    """Where the board's randomness comes from."""

    SYSTEM = 0
    SEEDED = 1
    DEAD = 2
    CONSTANT = 3
    STUCK = 4


class Cut(IntEnum):
    """How power goes in the middle of a flash operation."""

    CLEAN = 0
    HALF = 1
    FROM_END = 2


@functools.cache
def load() -> tuple[Any, Any]:
    """cffi's ffi and the shared library; skips where it cannot be built."""
    ffi: Any = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    return ffi, ffi.dlopen(str(build("plain", "libzkmeter.so")))


class Board:
    """One board. Frames go to ``operator`` as they leave."""

    def __init__(
        self,
        schema: Schema,
        *,
        window_ms: int = WINDOW_MS,
        pages: int = PAGES,
        page_bytes: int = PAGE,
        path: Path | None = None,
    ) -> None:
        self.ffi, self.library = load()
        if path is None:
            host = self.library.zkm_host_with(pages, page_bytes)
        else:
            host = self.library.zkm_host_open(str(path).encode(), pages, page_bytes)
        if host == self.ffi.NULL:
            raise OSError(f"{path}: no flash")
        self.pages, self.page_bytes = pages, page_bytes
        self.host = self.ffi.gc(host, self.library.zkm_host_free)
        self.device = self.library.zkm_host_device(self.host)
        self.schema = schema
        self.operator = Operator(bytes(SigningKey(SEED).verify_key))
        self.random(Random.SEEDED)
        self.config = self.ffi.new("zkm_config *")
        self.config.channels = len(schema.channels)
        for number, channel in enumerate(schema.channels):
            self.config.bits[number] = channel.bits
        self.config.period_ms = schema.period_ms or 0
        self.config.schema_digest = list(schema.digest())
        self.config.window_ms = window_ms
        self.config.operator_key = list(bytes(self.operator.key.public_key))
        self.config.may_miss = any(channel.may_miss for channel in schema.channels)
        self._out = self.ffi.new("uint8_t[]", FRAME_BYTES)
        self._length = self.ffi.new("size_t *")

    def boot(self, now_ms: int = T0_MS) -> Status:
        """Power on; nothing is cut from now on."""
        self.library.zkm_host_cut_after(self.host, NEVER, Cut.CLEAN)
        return Status(self.library.zkm_host_boot(self.host, self.config, SEED, SECRET, now_ms))

    def cut_after(self, count: int, how: Cut = Cut.CLEAN) -> None:
        """Power goes after this many more bytes of flash work."""
        self.library.zkm_host_cut_after(self.host, count, how)

    @property
    def worked(self) -> int:
        """Bytes of flash work since the last ``cut_after`` or boot."""
        return int(self.library.zkm_host_worked(self.host))

    @property
    def flash(self) -> Any:
        """A writable view of the flash, page by page."""
        flash = self.library.zkm_host_flash(self.host)
        return self.ffi.buffer(flash, self.pages * self.page_bytes)

    def memory(self) -> bytes:
        """The device's own memory, secrets and all."""
        size = self.library.zkm_host_device_size()
        return bytes(self.ffi.buffer(self.ffi.cast("uint8_t *", self.device), size))

    def random(self, source: Random) -> None:
        """Choose the random source; a seeded one starts again."""
        self.library.zkm_host_random(self.host, source)

    def sample(self, values: list[int], time_ms: int) -> Status:
        """zkm_sample."""
        return Status(self.library.zkm_sample(self.device, values, time_ms))

    def missed(self, time_ms: int) -> Status:
        """zkm_missed."""
        return Status(self.library.zkm_missed(self.device, time_ms))

    def tick(self, now_ms: int) -> Status:
        """zkm_tick."""
        return Status(self.library.zkm_tick(self.device, now_ms))

    def close(self, now_ms: int) -> Status:
        """zkm_close_window."""
        return Status(self.library.zkm_close_window(self.device, now_ms))

    def flags(self, mask: int) -> Status:
        """zkm_flags."""
        return Status(self.library.zkm_flags(self.device, mask))

    def command(self, frame: bytes, now_ms: int = T0_MS) -> Status:
        """zkm_command with a frame that has no delimiter."""
        return Status(self.library.zkm_command(self.device, frame, len(frame), now_ms))

    def next_frame(self, capacity: int = FRAME_BYTES) -> bytes:
        """The next frame to send, b"" if there is none."""
        status = Status(self.library.zkm_next_frame(self.device, self._out, capacity, self._length))
        assert status is Status.OK
        return bytes(self.ffi.buffer(self._out, self._length[0]))

    def drain(self) -> list[int]:
        """Hand every frame to the operator; their types."""
        kinds = []
        while sent := self.next_frame():
            kinds.append(self.operator.receive(sent))
        return kinds
