"""The contract: terms that both parties signed, read from TOML, hashed as canonical JSON."""

from verifier.contract.reading import read_template
from verifier.contract.settlement import SettlementTerms
from verifier.contract.signing import (
    OPERATOR_SUFFIX,
    SUPPLIER_SUFFIX,
    SignedContract,
    load_contract,
    sign_terms,
    signature_path,
    signature_suffix,
    verify_terms,
)
from verifier.contract.terms import (
    NANOS,
    ChannelTerms,
    LogFormat,
    OutcomeTerms,
    Parties,
    Start,
    Terms,
    decimal_text,
)

__all__ = [
    "NANOS",
    "OPERATOR_SUFFIX",
    "SUPPLIER_SUFFIX",
    "ChannelTerms",
    "LogFormat",
    "OutcomeTerms",
    "Parties",
    "SettlementTerms",
    "SignedContract",
    "Start",
    "Terms",
    "decimal_text",
    "load_contract",
    "read_template",
    "sign_terms",
    "signature_path",
    "signature_suffix",
    "verify_terms",
]
