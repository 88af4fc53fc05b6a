"""Example of a partner's plugin in Python: how much of their solar power households use themselves.

This file is the glue: it reads both datasets page by page, passes them on, and turns refusals into words. What is
computed is in solar.py, how it looks in page.py; neither knows anything of WebAssembly, so both are tested natively.
"""

import json

import page
import solar
import wit_world.exports
from componentize_py_types import Err
from wit_world.exports.reports import Document, Error_Failed, Error_InvalidParams
from wit_world.imports import budget, clock, detailed_consumption_columns, log, production_columns, types

# Readings of one page, the most there are: every page of a dataset has the same price.
PAGE_READINGS = 1_000


class Reports(wit_world.exports.Reports):
    """What the platform calls."""

    def report(self, params):
        """Makes the report."""
        try:
            asked = solar.params(params.json, clock.now())
        except ValueError as error:
            raise Err(Error_InvalidParams(str(error))) from error
        produced = powers(production_columns, "production", asked)
        consumed = powers(detailed_consumption_columns, "detailed consumption", asked)
        report = solar.report(asked, produced, consumed, budget.spent())
        log.write(log.Level.INFO, f"{len(report['households'])} producing households")
        if asked.format == "json":
            return Document("application/json", json.dumps(report).encode())
        return Document("text/html; charset=utf-8", page.html(report).encode())


def powers(dataset, name, asked):
    """Reads every page of a dataset in columns: per household its (start, end, W)."""
    found, cursor = {}, None
    while True:
        query = types.Query(asked.from_ms, asked.to_ms, asked.community, cursor, PAGE_READINGS)
        try:
            read = dataset.read(query)
        except Err as refused:
            raise Err(Error_Failed(words(name, refused.value))) from refused
        intervals = zip(read.starts_at_ms, read.ends_at_ms, read.power_w, strict=True)
        for household, interval in zip(read.household, intervals, strict=True):
            found.setdefault(read.households[household], []).append(interval)
        cursor = read.next
        if cursor is None:
            return found


def words(dataset, refused):
    """Why there is no report, for whoever started the run."""
    match refused:
        case types.Error_OutOfCredit(value=short):
            return f"the next page of {dataset} costs {short.price} datapoints and {short.left} are left"
        case types.Error_NotConsented():
            return f"no household lets its {dataset} be read"
        case types.Error_NotTrusted(value=level):
            return f"{dataset} needs trust level {level}"
        case types.Error_NoData():
            return f"there is no {dataset} in the period"
        case _:
            return f"{dataset}: {refused.value}"
