#!/usr/bin/env python3
"""Figures of the real households, computed from the file alone.

It shares no code with the host, so that the scenario `real-july` compares two independent
computations. Python's standard library is enough.

  figures.py                                  print the figures
  figures.py --check scenarios/real-july.toml compare them with what the scenario expects; exit
                                              code 1 where they differ

A half-hour's mean power in W is twice its energy in Wh. What a community produces and draws in the
same half-hour is self-consumed:
  autarky rate          = self-consumed / consumed  (1 - imported / consumed)
  self-consumption rate = self-consumed / produced
"""

import argparse
import csv
import fractions
import json
import pathlib
import sys
import tomllib

CSV = pathlib.Path(__file__).with_name("households-2013-07.csv")

# Which households share a community in the scenario.
COMMUNITIES = {
    1: ["ausgrid-12", "sgsc-10017554", "sgsc-10017994", "sgsc-10018064"],
    2: ["sgsc-10006414", "sgsc-10006486", "sgsc-10006704", "sgsc-10017562", "sgsc-10017936",
        "sgsc-10018060", "sgsc-10018250"],
}

# The half-hour that the scenario corrects and then corrects back, and the wrong value, Wh.
CORRECTION = {"household": "ausgrid-12", "startsAt": "2013-07-10T02:00:00Z",
              "kind": "consumption", "energyWh": 20000}


def read():
    """All rows as (household, start, kind) -> (end, Wh)."""
    with CSV.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["household"], row["startsAt"], row["kind"]): (row["endsAt"], int(row["energyWh"]))
            for row in rows}


def figures(rows, households):
    """The figures of some households together."""
    sums = {}
    for (household, start, kind), (end, energy_wh) in rows.items():
        if household in households:
            interval = sums.setdefault(start, {"end": end})
            interval[kind] = interval.get(kind, 0) + energy_wh
    measured = {start: sums[start] for start in sorted(sums) if "consumption" in sums[start]}
    consumed = sum(interval["consumption"] for interval in measured.values())
    produced = sum(interval.get("production", 0) for interval in measured.values())
    self_consumed = sum(min(interval["consumption"], interval.get("production", 0))
                        for interval in measured.values())
    # `max` keeps the first of equals: the earliest half-hour.
    start = max(measured, key=lambda start: measured[start]["consumption"])
    found = {
        "consumptionWh": consumed,
        "productionWh": produced,
        "selfConsumedWh": self_consumed,
        "importedWh": consumed - self_consumed,
        "exportedWh": produced - self_consumed,
        "autarkyRate": rate(self_consumed, consumed),
        "selfConsumptionRate": rate(self_consumed, produced),
        "intervals": len(measured),
        "highest": {"start": instant(start), "end": instant(measured[start]["end"]),
                    "power": 2 * measured[start]["consumption"]},
    }
    # TOML has no null: a rate that does not exist is left out.
    return {name: value for name, value in found.items() if value is not None}


def instant(text):
    """An instant as the host writes it, with milliseconds."""
    return text.replace("Z", ".000Z")


def rate(part, whole):
    """A ratio as a float, rounded once; none where there is nothing to divide by."""
    return float(fractions.Fraction(part, whole)) if whole else None


def all_figures():
    """Every figure that the scenario expects, by name."""
    rows = read()
    everyone = [household for members in COMMUNITIES.values() for household in members]
    key = (CORRECTION["household"], CORRECTION["startsAt"], CORRECTION["kind"])
    corrected = {**rows, key: (rows[key][0], CORRECTION["energyWh"])}
    return {
        **{f"community-{number}": figures(rows, members) for number, members in COMMUNITIES.items()},
        "total": energies(figures(rows, everyone)),
        "corrected-community-1": figures(corrected, COMMUNITIES[1]),
        "corrected-total": energies(figures(corrected, everyone)),
        "file": {"rows": len(rows), "originalWh": rows[key][1], "wrongWh": CORRECTION["energyWh"]},
    }


def energies(figures_of_all):
    """Self-consumption belongs to a community; of all together only the energies are told."""
    names = ["consumptionWh", "productionWh", "intervals", "highest"]
    return {name: figures_of_all[name] for name in names}


def differences(expected, got, path):
    """Where two trees differ; rates may differ in their last digits."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in expected.keys() | got.keys():
            yield from differences(expected.get(name), got.get(name), f"{path}.{name}")
    elif isinstance(expected, float) and isinstance(got, (int, float)):
        if abs(expected - got) > 1e-9:
            yield f"{path}: computed {expected!r}, the scenario has {got!r}"
    elif expected != got:
        yield f"{path}: computed {expected!r}, the scenario has {got!r}"


def scenario_figures(path):
    """The figures that the scenario expects."""
    with open(path, "rb") as file:
        return tomllib.load(file)["values"]["figures"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="SCENARIO", help="compare with this scenario file")
    arguments = parser.parse_args()
    computed = all_figures()
    if arguments.check is None:
        print(json.dumps(computed, indent=2))
        return 0
    found = sorted(differences(computed, scenario_figures(arguments.check), "figures"))
    print("\n".join(found) if found else f"{arguments.check}: every figure is as computed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
