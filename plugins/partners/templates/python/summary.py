"""The report: mean and peak of what the community drew in a period."""

import json

# One day and one hour, ms. A day is the period unless the parameters name another.
DAY_MS = 24 * 60 * 60 * 1_000
HOUR_MS = 60 * 60 * 1_000


def period(text, now_ms):
    """Reads {"fromMs": …, "toMs": …}; both may be left out."""
    params = json.loads(text)
    if not isinstance(params, dict):
        raise ValueError("the parameters must be a JSON object")
    to_ms = params.get("toMs", now_ms)
    from_ms = params.get("fromMs", max(to_ms - DAY_MS, 0) if isinstance(to_ms, int) else 0)
    for name, value in (("fromMs", from_ms), ("toMs", to_ms)):
        if type(value) is not int or value < 0:
            raise ValueError(f"{name}: must be a number of milliseconds since 1970")
    if from_ms >= to_ms:
        raise ValueError("toMs: must be after fromMs")
    return from_ms, to_ms


def report(from_ms, to_ms, powers, suppressed):
    """The report as JSON; powers are (start, end, W)."""
    energy_wh = sum((end - start) * watts for start, end, watts in powers) / HOUR_MS
    measured_h = sum(end - start for start, end, _ in powers) / HOUR_MS
    peak = max(powers, key=lambda power: power[2], default=(None, None, None))
    return json.dumps(
        {
            "fromMs": from_ms,
            "toMs": to_ms,
            "intervals": len(powers),
            "suppressed": suppressed,
            "energyWh": energy_wh,
            "meanW": energy_wh / measured_h if measured_h else None,
            "peakW": peak[2],
            "peakStartsAtMs": peak[0],
        }
    )
