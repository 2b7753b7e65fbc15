"""The constraint language: arithmetic of expressions, degrees, one copy of equal things."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.expression import AtomKind, Expression, Graph, weighted_sum
from circuits.field import P

VALUES = {AtomKind.COLUMN: 11, AtomKind.NEXT: P - 5, AtomKind.SELECTOR: 1, AtomKind.PUBLIC: 1 << 30}


def atom_value(graph: Graph, index: int) -> int:
    """Plain recursion over the definition."""
    atom = graph.atoms[index]
    if atom.kind is AtomKind.PRODUCT:
        return form_value(graph, atom.index) * form_value(graph, atom.other) % P
    return (VALUES[atom.kind] + atom.index) % P


def form_value(graph: Graph, index: int) -> int:
    form = graph.forms[index]
    return (form.constant + sum(c * atom_value(graph, a) for a, c in form.terms)) % P


def value(expression: Expression) -> int:
    graph = expression.graph
    terms = expression.terms.items()
    return (expression.constant + sum(c * atom_value(graph, a) for a, c in terms)) % P


def leaves(graph: Graph) -> list[Expression]:
    return [graph.atom(kind, k) for kind in VALUES for k in range(2)] + [graph.constant(P - 3)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from("+-*rn"), st.integers(-(2**40), 2**40)),
        min_size=1,
        max_size=10,
    )
)
def test_operators_mean_what_they_say(steps: list[tuple[int, str, int]]) -> None:
    graph = Graph()
    built: Expression = graph.constant(1)
    plain = 1
    for leaf, operator, scalar in steps:
        other = leaves(graph)[leaf]
        right = value(other)
        if operator == "+":
            built, plain = built + other + scalar, plain + right + scalar
        elif operator == "-":
            built, plain = built - other, plain - right
        elif operator == "*":
            built, plain = built * other, plain * right
        elif operator == "r":
            built, plain = scalar - built * scalar, scalar - plain * scalar
        else:
            built, plain = -built, -plain
        plain %= P
    assert value(built) == plain
    assert form_value(graph, graph.form(built)) == plain


def test_degrees() -> None:
    graph = Graph()
    column = graph.atom(AtomKind.COLUMN, 0)
    selector = graph.atom(AtomKind.SELECTOR, 0)
    public = graph.atom(AtomKind.PUBLIC, 0)

    def degree(expression: Expression) -> int:
        return graph.form_degree(graph.form(expression))

    assert degree(graph.constant(5)) == 0
    assert degree(public) == 0
    assert degree(column + 1) == degree(selector) == 1  # selectors are not free
    assert degree(column * public) == 1
    assert degree(selector * column * column + column) == 3
    assert degree((column * column) * (column * column)) == 4
    assert degree(column * 7 * (public - 1) + 3) == 1


def test_equal_things_are_kept_once() -> None:
    graph = Graph()
    a, b = graph.atom(AtomKind.COLUMN, 0), graph.atom(AtomKind.COLUMN, 1)
    assert graph.form(a + b) == graph.form(b + a + P)
    assert (a * b).terms == (b * a).terms
    assert len(graph.atoms) == 3
    cancelled = a - a
    assert graph.forms[graph.form(cancelled)].terms == ()


def test_products_with_constants_stay_linear() -> None:
    graph = Graph()
    a = graph.atom(AtomKind.COLUMN, 0)
    constant = graph.constant(4)
    assert (a * constant).terms == (constant * a).terms == {0: 4}
    assert (constant * constant).constant == 16
    assert len(graph.atoms) == 1


def test_weighted_sum() -> None:
    graph = Graph()
    parts = [graph.atom(AtomKind.COLUMN, k) for k in range(3)]
    assert value(weighted_sum(parts, [1, -2, 4])) == (11 - 2 * 12 + 4 * 13) % P
