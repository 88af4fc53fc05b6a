"""How much of their solar power households use themselves. Pure: readings in, figures out.

Of what a household produces in an instant it uses as much as it draws then; the rest is fed in. Over a period

    self-consumption rate = self-consumed / produced
    autarky rate          = self-consumed / consumed = 1 - imported / consumed

Only time in which both production and consumption were measured counts.
"""

import json
from datetime import datetime, timezone
from typing import NamedTuple

HOUR_MS = 60 * 60 * 1_000
DAY_MS = 24 * HOUR_MS

# Longest period, ms: what one query may ask for.
PERIOD_MS_MAX = 31 * DAY_MS

# Most of a text that an error repeats, characters.
QUOTED_CHARS_MAX = 40


class Params(NamedTuple):
    """What the report is about."""

    from_ms: int
    to_ms: int
    community: int | None
    format: str


class Figures(NamedTuple):
    """Energies over the time in which both were measured."""

    produced_wh: float = 0.0
    consumed_wh: float = 0.0
    self_consumed_wh: float = 0.0
    covered_h: float = 0.0

    def plus(self, other):
        """The sum of two."""
        return Figures(*(one + another for one, another in zip(self, other)))

    def shown(self):
        """As they stand in the report; a rate of nothing is null."""
        return {
            "producedWh": round(self.produced_wh, 3),
            "consumedWh": round(self.consumed_wh, 3),
            "selfConsumedWh": round(self.self_consumed_wh, 3),
            "selfConsumptionRate": rate(self.self_consumed_wh, self.produced_wh),
            "autarkyRate": rate(self.self_consumed_wh, self.consumed_wh),
            "coveredHours": round(self.covered_h, 3),
        }


def rate(part, whole):
    """A part of a whole, 0 to 1."""
    return round(part / whole, 4) if whole > 0 else None


def params(text, now_ms):
    """Reads {"from": …, "to": …, "community": …, "format": "html" | "json"}, all of it optional.

    The period is the day before `now_ms` unless they name one. Raises ValueError with the parameter and the rule that
    it breaks.
    """
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("the parameters must be a JSON object")
    for name in given:
        if name not in ("from", "to", "community", "format"):
            raise ValueError(f"{name[:QUOTED_CHARS_MAX]}: is no parameter; there are from, to, community and format")
    to_ms = instant("to", given["to"]) if "to" in given else now_ms
    from_ms = instant("from", given["from"]) if "from" in given else max(to_ms - DAY_MS, 0)
    if from_ms >= to_ms:
        raise ValueError("to: must be after from")
    if to_ms - from_ms > PERIOD_MS_MAX:
        raise ValueError("to: must be at most 31 days after from")
    community = given.get("community")
    if community is not None and (type(community) is not int or not 0 <= community < 2**64):
        raise ValueError("community: must be a whole number")
    chosen = given.get("format", "html")
    if chosen not in ("html", "json"):
        raise ValueError("format: must be html or json")
    return Params(from_ms, to_ms, community, chosen)


def instant(name, text):
    """An instant with its offset, such as 2021-11-07T15:00:00Z, in ms since 1970."""
    try:
        read = datetime.fromisoformat(text)
        ms = int(read.timestamp() * 1_000) if read.tzinfo else -1
    except (TypeError, ValueError, OverflowError):
        ms = -1
    if ms < 0:
        raise ValueError(f"{name}: must be an instant such as 2021-11-07T15:00:00Z")
    return ms


def written(at_ms):
    """An instant as RFC 3339 writes it."""
    read = datetime.fromtimestamp(at_ms / 1_000, timezone.utc)
    return read.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def report(asked, produced, consumed, datapoints):
    """The report. Both take a household to its (start, end, W); it lists those that produce, the most first."""
    rows, total = [], Figures()
    for household, production in produced.items():
        figures = household_figures(production, consumed.get(household, []), asked)
        total = total.plus(figures)
        rows.append({"household": household, **figures.shown()})
    rows.sort(key=lambda row: (-row["producedWh"], row["household"]))
    return {
        "from": written(asked.from_ms),
        "to": written(asked.to_ms),
        "community": asked.community,
        "households": rows,
        "total": total.shown(),
        "datapoints": datapoints,
    }


def household_figures(production, consumption, asked):
    """Energies of one household inside the period, over every span in which both are known."""
    produced = cut(production, asked)
    consumed = cut(consumption, asked)
    figures = Figures()
    at_p = at_c = 0
    while at_p < len(produced) and at_c < len(consumed):
        p_start, p_end, p_w = produced[at_p]
        c_start, c_end, c_w = consumed[at_c]
        hours = (min(p_end, c_end) - max(p_start, c_start)) / HOUR_MS
        if hours > 0:
            figures = figures.plus((p_w * hours, c_w * hours, min(p_w, c_w) * hours, hours))
        if p_end <= c_end:
            at_p += 1
        if c_end <= p_end:
            at_c += 1
    return figures


def cut(intervals, asked):
    """The parts of intervals that lie inside the period, by their start."""
    inside = [(max(start, asked.from_ms), min(end, asked.to_ms), watts) for start, end, watts in intervals]
    return sorted(part for part in inside if part[0] < part[1])
