"""The contracts of the agreement tests: every gadget, every parameter set, every record width."""

from __future__ import annotations

from tests.reference.cases import Case, channel

CASES = (
    Case(
        "litres by time step",
        "standard",
        (channel("flow", 18, "1/1000"),),
        ("sum(flow * dt_ms) / 60000",),
        (7, 4, 0, 9, 5),
        final_domain=256,  # one layer
    ),
    Case(
        "counts and sums over several channels",
        "compact",
        (channel("a", 12, "1/10", "-40"), channel("b", 10, "1/4", "7/2")),
        (
            "count(a >= 100)",
            "sum(a)",
            "count(a <= 99.9)",
            "sum(b * dt_ms) / 1000",
            "sum(a * dt_ms)",
            "count(b >= 0)",
            "count(b <= 1000)",
        ),
        (3, 0, 0, 5, 1, 2),
        first_window=1,
        final_domain=256,  # two layers
    ),
    Case(
        "periodic",
        "fast",
        (channel("flow", 16, "1/100"),),
        ("sum(flow * dt_ms) / 60000", "count(flow <= 300.07)", "sum(flow)"),
        (0, 13, 8, 0, 30, 1),
        period_ms=100,
        final_domain=64,  # two layers
    ),
    Case(
        "periodic below zero, later in its epoch",
        "standard",
        (channel("t", 14, "1/100", "-273/4"), channel("u", 24), channel("v", 1)),
        ("sum(t * dt_ms) / 3600000", "sum(u)", "count(v >= 1)"),
        (5, 0, 4, 7),
        first_window=1,
        period_ms=1000,
    ),
    Case(
        "one record per block, every row used",
        "fast",
        tuple(channel(f"c{k}", 8 + k, "1/3", "-5") for k in range(5)),
        ("sum(c4 * dt_ms)", "count(c0 <= 20)", "sum(c1)"),
        (0, 20, 0, 16),  # 40 rows would be one too many
    ),
    Case(
        "empty windows only",
        "compact",
        (channel("flow", 4),),
        ("sum(flow * dt_ms)", "count(flow >= 3)"),
        (0, 0, 0),
    ),
    Case(
        "conditions, products and segments",
        "fast",
        (channel("a", 5), channel("b", 4, "1/2", "-2")),
        (
            "count((a >= 3) & ~(b < 1) | (a == 7))",
            "sum(abs(a - 2 * b), where=between(a, 2, 20) | (b != 0.5))",
            "sum(clip_above(a * b, 9.5) * dt_ms, where=(a * b > 2) & (dt_ms < 9000))",
            "count(a > 9) - 2 * count(a < 25, where=b >= 0)",
        ),
        (9, 0, 6, 3),
        first_window=1,
    ),
    Case(
        "bits about a claim",
        "compact",
        (channel("t", 9, "1/10", "-5"), channel("v", 1)),
        (
            "mean(t, where=v >= 0) >= 20",
            "percentile(t, 90) <= 41.5",
            "ratio(sum(t * dt), sum(dt)) <= 25",
            "all(t <= 46)",
            "any(t > 44, where=dt > 1)",
            "count(t > 3) > 12.5",
            "0 > sum(t) - 100 * count()",
        ),
        (4, 11, 2),
    ),
    Case(
        "starts, runs and remainders",
        "standard",
        (channel("c", 3), channel("d", 2)),
        (
            "count(rising(c > 2))",
            "count(falling(c > 2), where=c < 2)",
            "sum(c, where=held(c >= 1, 3))",
            "rounded(sum(c), 2.5)",
            "all(~held(c > 3, 5))",
        ),
        (19, 0, 12, 33, 7),
        first_window=2,
        period_ms=100,
    ),
    Case(
        "an epoch that goes on with remainders",
        "fast",
        (channel("p", 10, "1/8"), channel("q", 7, "1", "-3")),
        (
            "rounded(sum(p * dt) / 3600, 1 / 3)",
            "floor(sum(q) / 7 + 0.5)",
            "rounded(count(rising((p > 60) & (q < 50))) - 2 * count(held(q > 0, 2)), 5)",
            "floor(sum(p)) >= 700",
        ),
        (0, 9, 14),
        carried=1,
    ),
    Case(
        "missing readings by time of day",
        "standard",
        (
            channel("x", 4, may_miss=True),
            channel("y", 2, "1/2", "1", may_miss=True),
            channel("z", 3),
        ),
        (
            "tariff(x * dt_ms, '00:00 0.21, 06:00 0.34, 22:00 0.21', '+01:00')",
            "count(missing(x) | (y > 1.5))",
            "mean(x, where=time_of_day('22:00', '03:30')) >= 6",
            "count(rising(x > 7))",
            "windows(all(x + z <= 18))",
            "windows(ratio(count(x > 3), count()) >= 0.5) + 2 * count(~missing(y))",
        ),
        (2, 5, 0, 7, 3),
        first_window=1,
        window_ms=9_000_000,
    ),
    Case(
        "least, greatest, first and last",
        "compact",
        tuple(channel(f"c{k}", 6 + k, "1/2", "-7", may_miss=k == 1) for k in range(4)),
        (
            "max(c0) - min(c0, where=c1 > 0)",
            "last(c1) - first(c1) + sum(c2) / 4",
            "max(c3, where=c0 > 1000) + 3 * last(c2, where=c3 > 20)",
            "min(c2) >= -6",
            "windows(mean(c0) <= 12)",
        ),
        (6, 0, 5),
    ),
    Case(
        "variance and capability",
        "fast",
        (channel("d", 4, "1/100", "9.9"), channel("w", 2)),
        (
            "variance(d) <= 0.005",
            "variance(d, where=w > 0) >= 0.01",
            "cpk(d, 9.85, 10.1) >= 0.25",
        ),
        (12, 7),
        period_ms=1000,
    ),
)
