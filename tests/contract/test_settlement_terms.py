"""The contract's table [settlement]: every field checked, signed with the rest, explained."""

from __future__ import annotations

import base64
import json

import pytest
from nacl.signing import SigningKey

from circuits.errors import InputReason
from tests.contract.test_terms import PUMP, changed, refused
from verifier.contract import SettlementTerms, SignedContract, Terms, read_template
from verifier.contract.explain import contract_text, describe_contract
from verifier.contract.settlement import escrow_address, wallet_address


def key(seed: int, flag: int = 0) -> str:
    public = bytes(SigningKey(bytes([seed] * 32)).verify_key)
    return base64.b64encode(bytes([flag]) + public).decode()


OPERATOR, SUPPLIER, ARBITER = key(1), key(2), key(3)
PAYEE = wallet_address(SUPPLIER)
TABLE = f"""[settlement]
network = "6364aad5"
operator_key = "{OPERATOR}"
supplier_key = "{SUPPLIER}"
payee = "{PAYEE}"
"""
FULL = (
    TABLE
    + f"""arbiter_key = "{ARBITER}"
gas_owner = "{wallet_address(OPERATOR)}"
maximum_gas_nanos = "6000000"
minimum_nanos = 1000000000
maximum_age_seconds = 86400
anchor = false
"""
)


def settlement(table: str) -> SettlementTerms:
    terms = Terms.from_toml(PUMP + table).settlement
    assert terms is not None
    return terms


def test_defaults() -> None:
    terms = settlement(TABLE)
    assert terms.committee == (OPERATOR, SUPPLIER)
    assert (terms.network, terms.payee, terms.gas_owner) == ("6364aad5", PAYEE, None)
    assert (terms.maximum_gas_nanos, terms.minimum_nanos) == (50_000_000, 1)
    assert terms.maximum_age_seconds is None
    assert terms.anchor


def test_every_field() -> None:
    terms = settlement(FULL)
    assert terms.committee == (OPERATOR, SUPPLIER, ARBITER)
    assert terms.gas_owner == wallet_address(OPERATOR)
    assert (terms.maximum_gas_nanos, terms.minimum_nanos) == (6_000_000, 10**9)
    assert terms.maximum_age_seconds == 86_400
    assert not terms.anchor
    largest = changed("minimum_nanos = 1000000000", f'minimum_nanos = "{2**64 - 1}"', FULL)
    assert settlement(largest).minimum_nanos == 2**64 - 1


def test_the_canonical_document_holds_every_field() -> None:
    without = json.loads(Terms.from_toml(PUMP).canonical)
    assert "settlement" not in without
    assert json.loads(Terms.from_toml(PUMP + TABLE).canonical) == {
        **without,
        "settlement": {
            "network": "6364aad5", "operator_key": OPERATOR, "supplier_key": SUPPLIER,
            "payee": PAYEE, "maximum_gas_nanos": "50000000", "minimum_nanos": "1", "anchor": True,
        },
    }  # fmt: skip
    assert json.loads(Terms.from_toml(PUMP + FULL).canonical)["settlement"] == {
        "network": "6364aad5", "operator_key": OPERATOR, "supplier_key": SUPPLIER,
        "arbiter_key": ARBITER, "payee": PAYEE, "gas_owner": wallet_address(OPERATOR),
        "maximum_gas_nanos": "6000000", "minimum_nanos": "1000000000",
        "maximum_age_seconds": 86400, "anchor": False,
    }  # fmt: skip


def test_every_field_is_signed() -> None:
    lines = FULL.splitlines()[1:]
    other = {
        "network": '"2304aa97"', "operator_key": f'"{key(5)}"', "supplier_key": f'"{key(6)}"',
        "payee": f'"{wallet_address(key(7))}"', "arbiter_key": f'"{key(8)}"',
        "gas_owner": f'"{PAYEE}"', "maximum_gas_nanos": "6000001", "minimum_nanos": "2",
        "maximum_age_seconds": "1", "anchor": "true",
    }  # fmt: skip
    digests = {Terms.from_toml(PUMP).digest, Terms.from_toml(PUMP + FULL).digest}
    for line in lines:
        name = line.split(" = ")[0]
        table = changed(line, f"{name} = {other.pop(name)}", FULL)
        if name == "operator_key":  # who paid gas is no party any more
            table = changed(wallet_address(OPERATOR), wallet_address(key(5)), table)
        digests.add(Terms.from_toml(PUMP + table).digest)
    assert not other
    assert len(digests) == 2 + len(lines)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"6364aad5"', '"6364AAD5"', "network"),
        ('"6364aad5"', '"testnet"', "network"),
        ('"6364aad5"', "6364", "network"),
        ('network = "6364aad5"\n', "", "network"),
        (f'operator_key = "{OPERATOR}"\n', "", "operator_key"),
        (OPERATOR, OPERATOR[:-4], "operator_key"),
        (OPERATOR, key(1, flag=1), "operator_key"),
        (OPERATOR, OPERATOR + "\\n", "operator_key"),
        (OPERATOR, base64.b64encode(bytes(33)).decode(), "operator_key"),
        (OPERATOR, base64.b64encode(b"\x00\x01" + bytes(31)).decode(), "operator_key"),
        (OPERATOR, "00" * 33, "operator_key"),
        (SUPPLIER, OPERATOR, "supplier_key"),
        (ARBITER, SUPPLIER, "supplier_key"),
        (f'payee = "{PAYEE}"\n', "", "payee"),
        (PAYEE, PAYEE[2:], "payee"),
        (PAYEE, PAYEE[:-1], "payee"),
        (PAYEE, "0x" + "AB" * 32, "payee"),
        (PAYEE, "0x" + "00" * 32, "payee"),
        (PAYEE, escrow_address((OPERATOR, SUPPLIER, ARBITER)), "payee"),
        (wallet_address(OPERATOR), wallet_address(ARBITER), "gas_owner"),
        (wallet_address(OPERATOR), "0x" + "12" * 32, "gas_owner"),
        ('"6000000"', "0", "maximum_gas_nanos"),
        ('"6000000"', '"-1"', "maximum_gas_nanos"),
        ('"6000000"', '"1.5"', "maximum_gas_nanos"),
        ('"6000000"', "1.5", "maximum_gas_nanos"),
        ('"6000000"', "true", "maximum_gas_nanos"),
        ('"6000000"', f'"{2**64}"', "maximum_gas_nanos"),
        ('"6000000"', '"1980399"', "maximum_gas_nanos"),
        ("1000000000", "0", "minimum_nanos"),
        ("86400", "0", "maximum_age_seconds"),
        ("86400", '"86400"', "maximum_age_seconds"),
        ("false", '"no"', "anchor"),
        ("false", "false\nrefund = true", "refund"),
    ],
)
def test_bad_fields_are_named(old: str, new: str, field: str) -> None:
    error = refused(PUMP + changed(old, new, FULL))
    assert error.reason is InputReason.CONTRACT_FIELD
    assert error.message.startswith(f"settlement.{field}: "), error.message


def test_a_table_it_must_be() -> None:
    error = refused('settlement = "IOTA"\n' + PUMP)
    assert error.reason is InputReason.CONTRACT_FIELD
    assert read_template(PUMP + TABLE).settlement == settlement(TABLE)


def test_contract_show_says_who_pays_whom() -> None:
    def shown(table: str) -> str:
        terms = Terms.from_toml(PUMP + table)
        document = describe_contract(SignedContract(terms, PUMP + table, None, None))
        assert (document["settlement"] is None) is (terms.settlement is None)
        return contract_text(document)

    assert "in the supplier's ledger only" in shown("")
    two, three = shown(TABLE), shown(FULL)
    for line in (
        "on IOTA network 6364aad5, out of an escrow of operator and supplier, who must both sign",
        f"to {PAYEE}", "paid together when at least 1 nanos are owed\n", "by the escrow, at most",
        "no refund by time-out", "carries the hash of its receipts",
    ):  # fmt: skip
        assert line in two, line
    for line in (
        "operator, supplier and arbiter, of whom two must sign", "has waited for 86400 s",
        f"gas is paid by {wallet_address(OPERATOR)}, at most 6000000 nanos",
    ):  # fmt: skip
        assert line in three, line
    assert "carries the hash" not in three
