"""Glue between the platform and the report: reads what the report needs and passes it on.

What is computed is in summary.py, which knows nothing of WebAssembly and is tested natively.
"""

import summary
import wit_world.exports
from componentize_py_types import Err
from wit_world.exports.reports import Document, Error_Failed, Error_InvalidParams
from wit_world.imports import clock, global_consumption, types

# Readings of one page, the most there are: each page has its price.
PAGE_READINGS = 1_000


class Reports(wit_world.exports.Reports):
    """What the platform calls."""

    def report(self, params):
        """Makes the report."""
        try:
            period = summary.period(params.json, clock.now())
        except ValueError as error:
            raise Err(Error_InvalidParams(str(error))) from error
        powers, suppressed = read_all(*period)
        body = summary.report(*period, powers, suppressed)
        return Document("application/json", body.encode())


def read_all(from_ms, to_ms):
    """Reads every page of the period; also how many intervals were left out for privacy."""
    powers, suppressed, cursor = [], 0, None
    while True:
        query = types.Query(from_ms, to_ms, None, cursor, PAGE_READINGS)
        try:
            page = global_consumption.read(query)
        except Err as refused:
            raise Err(Error_Failed(words(refused.value))) from refused
        for reading in page.readings:
            interval = reading.interval
            powers.append((interval.starts_at_ms, interval.ends_at_ms, reading.power_w))
        suppressed += page.suppressed
        cursor = page.next
        if cursor is None:
            return powers, suppressed


def words(error):
    """Why there is no report, for whoever started the run."""
    match error:
        case types.Error_OutOfCredit(shortfall):
            return f"a read costs {shortfall.price} datapoints and {shortfall.left} are left"
        case types.Error_NotConsented():
            return "no household lets this dataset be read"
        case types.Error_NotTrusted(level):
            return f"the dataset needs trust level {level}"
        case types.Error_NoData():
            return "nothing was measured in the period"
        case _:
            return error.value
