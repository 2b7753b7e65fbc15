"""``contract sign`` and ``contract show``, the same for both console scripts."""

from __future__ import annotations

import click

from verifier.console import Output, leaf


def add_contract_sign(group: click.Group) -> None:
    """Add ``sign`` to a console script's group ``contract``."""

    @leaf(group, "sign")
    @click.argument("contract", metavar="C.toml")
    @click.option("--keys", required=True, metavar="DIR", help="Key directory of a party.")
    def contract_sign(output: Output, contract: str, keys: str) -> None:
        """Sign a contract's terms; adds C.toml.operator.sig or C.toml.supplier.sig."""
        from verifier.contract import load_contract, sign_terms, signature_path, signature_suffix
        from verifier.files import write_atomic
        from verifier.keys import hex_line, load_keys

        terms = load_contract(contract).terms
        key = load_keys(keys)
        path = signature_path(contract, signature_suffix(terms, key))
        write_atomic(path, hex_line(sign_terms(terms, key)))
        output.emit(
            {"signature_file": str(path), "terms_digest": terms.digest.hex()},
            f"{path}: signed terms {terms.digest.hex()}",
        )


def add_contract_show(group: click.Group) -> None:
    """Add ``show`` to a console script's group ``contract``."""

    @leaf(group, "show")
    @click.argument("contract", metavar="C.toml")
    @click.option(
        "--explain",
        is_flag=False,
        flag_value="outcomes",
        type=click.Choice(["outcomes", "all"]),
        help="Behind the file: also print every constraint; with 'all' those of the log hash, too.",
    )
    def contract_show(output: Output, contract: str, explain: str | None) -> None:
        """Show parties, outcomes and what each gives away, circuit id, digest, proven bits.

        How long proving takes is an estimate for two cores.
        """
        from verifier.contract import load_contract
        from verifier.contract.explain import contract_text, describe_contract
        from verifier.contract.polynomials import explained_document, explained_text

        signed = load_contract(contract)
        document = describe_contract(signed)
        text = contract_text(document)
        if explain is not None:
            explained = explained_document(signed.terms.circuit, explain == "all")
            document["explained"] = explained
            text += "\n" + explained_text(explained)
        output.emit(document, text)
