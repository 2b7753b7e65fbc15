"""A small operator's site for tests: keys, a device, a signed contract, made-up logs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nacl.signing import SigningKey

from prover.device import create_device
from prover.template import fill_template
from verifier.contract import (
    OPERATOR_SUFFIX,
    SUPPLIER_SUFFIX,
    SignedContract,
    Terms,
    load_contract,
    sign_terms,
    signature_path,
)
from verifier.keys import create_keys, hex_line, load_keys

ROOT = Path(__file__).resolve().parents[2]
PUMP = ROOT / "examples" / "contracts" / "pump.toml"
WATER = ROOT / "examples" / "contracts" / "water.toml"
T0 = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)
T0_MS = int(T0.timestamp()) * 1000
COLUMN = "Volume Flow RateRMS"


@dataclass(frozen=True)
class Rig:
    """Paths of one operator's site."""

    directory: Path

    @property
    def contract(self) -> Path:
        return self.directory / "C.toml"

    @property
    def store(self) -> Path:
        return self.directory / "store"

    @property
    def device(self) -> Path:
        return self.directory / "device"

    @property
    def operator(self) -> Path:
        return self.directory / "operator"

    @property
    def supplier(self) -> Path:
        return self.directory / "supplier"

    @property
    def operator_key(self) -> SigningKey:
        return load_keys(self.operator)

    def load(self) -> SignedContract:
        return load_contract(self.contract)

    @property
    def terms(self) -> Terms:
        return self.load().terms

    def sign(self) -> None:
        """Both parties sign the contract as it stands."""
        for suffix, keys in ((OPERATOR_SUFFIX, self.operator), (SUPPLIER_SUFFIX, self.supplier)):
            signature = sign_terms(self.terms, load_keys(keys))
            signature_path(self.contract, suffix).write_bytes(hex_line(signature))


def make_rig(directory: Path, template: str | None = None) -> Rig:
    """Keys, a device and a contract that both parties signed."""
    rig = Rig(directory)
    parties = (create_keys(rig.operator), create_keys(rig.supplier), create_device(rig.device))
    text, _ = fill_template(template or PUMP.read_text(encoding="utf-8"), *parties)
    rig.contract.write_text(text, encoding="utf-8")
    rig.sign()
    return rig


def log_text(rows: Iterable[tuple[int, str]], delimiter: str = ";") -> str:
    """A log of (milliseconds since T0, flow) rows in the pump contract's columns."""
    lines = [delimiter.join(("datetime", "Pressure", COLUMN))]
    for offset_ms, flow in rows:
        moment = (T0 + timedelta(milliseconds=offset_ms)).replace(tzinfo=None)
        lines.append(delimiter.join((moment.isoformat(sep=" "), "0.1", flow)))
    return "\n".join(lines) + "\n"


def steady_log(seconds: int, first_second: int = 0) -> str:
    """One record a second with a flow that changes every second."""
    return log_text(
        ((first_second + k) * 1000, f"{30 + k % 7}.{k % 1000:03d}") for k in range(seconds)
    )
