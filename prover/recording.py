"""Feeding a log file to a software device and keeping what it signs: one import, one epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuits.errors import BadInput, InputReason
from prover.device import SignedEpoch, SoftwareDevice, load_device, locked
from prover.importer import Progress, cut_windows, read_log
from prover.kernels.native import commitments
from prover.store import Store, open_store
from verifier.contract import Terms


@dataclass(frozen=True)
class ImportResult:
    """What an import recorded; times in ms since 1970 UTC, end exclusive.

    ``commitments_by`` names what computed the chain values, for people.
    """

    epoch: int
    windows: int
    records: int
    start_ms: int
    end_ms: int
    commitments_by: str


def record_log(
    log: Path | str,
    terms: Terms,
    store_directory: Path | str,
    device_directory: Path | str,
    progress: Progress | None = None,
) -> ImportResult:
    """Import a CSV log: read all of it, let the device sign it, keep it.

    Any ``BadInput`` leaves device and store as they were.
    """
    commitments_by = commitments().by  # before anything is read: it may be unusable
    with locked(device_directory):
        device = load_device(device_directory)
        if device.public_key != terms.parties.device:
            raise BadInput(
                InputReason.DEVICE_MISMATCH,
                f"{device_directory}: not the device that contract {terms.name!r} names",
            )
        imported = read_log(log, terms, progress)
        if progress is not None:
            progress("hashing", 1.0)
        with open_store(store_directory, create=True) as store:
            store.settle(device.public_key, device.state)
            made = device.record_epoch(terms.schema, cut_windows(imported, terms.window_ms))
            _keep(store, terms, device, made)
    last = made.checkpoints[-1].checkpoint
    return ImportResult(
        made.epoch,
        len(made.windows),
        last.records_in_epoch,
        imported.start_ms,
        last.end_ms,
        commitments_by,
    )


def _keep(store: Store, terms: Terms, device: SoftwareDevice, made: SignedEpoch) -> None:
    """Data first, then the device's state, then both are visible: see ``prover.store``."""
    store.stage(terms, made)
    try:
        device.persist(made.state)
    except BadInput:
        store.discard(device.public_key, made.epoch)
        raise
    store.publish(device.public_key, made.epoch)
