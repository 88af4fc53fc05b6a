"""The report as one HTML page: no scripts, nothing loaded from elsewhere, readable when printed."""

from html import escape
from pathlib import Path

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

# Signs of a pseudonym that tell it apart by eye.
PSEUDONYM_CHARS = 8


def html(report):
    """The page."""
    where = "all communities" if report["community"] is None else f"community {report['community']}"
    title = f"Solar self-consumption in {where}"
    total = report["total"]
    tiles = [
        ("Produced", energy(total["producedWh"]), "by solar panels"),
        ("Self-consumed", energy(total["selfConsumedWh"]), "used at once"),
        ("Fed in", energy(total["producedWh"] - total["selfConsumedWh"]), "the rest of it"),
        ("Self-consumption", percent(total["selfConsumptionRate"]), "self-consumed / produced"),
        ("Autarky", percent(total["autarkyRate"]), "self-consumed / consumed"),
        ("Households", str(len(report["households"])), "that produce"),
    ]
    tiles = "".join(f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n" for name, value, note in tiles)
    rows = "".join(row(household) for household in report["households"])
    period = f"{moment(report['from'])} to {moment(report['to'])} UTC"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<p class="period">{escape(period)}</p>\n<dl>\n{tiles}</dl>\n'
        f"<table>\n<tr><th>household</th><th>produced</th><th>consumed</th><th>self-consumed</th>"
        f"<th>self-consumption</th><th>autarky</th><th>measured</th></tr>\n{rows}</table>\n"
        f"<footer>Households go by pseudonyms. Only time in which both production and consumption were measured counts. "
        f"The data cost {report['datapoints']} datapoints.</footer>\n</body>\n</html>\n"
    )


def row(figures):
    """One household."""
    name = escape(figures["household"])
    cells = [
        f'<td title="{name}"><code>{escape(figures["household"][:PSEUDONYM_CHARS])}</code></td>',
        f"<td>{energy(figures['producedWh'])}</td>",
        f"<td>{energy(figures['consumedWh'])}</td>",
        f"<td>{energy(figures['selfConsumedWh'])}</td>",
        f"<td>{bar(figures['selfConsumptionRate'], 'own')}</td>",
        f"<td>{bar(figures['autarkyRate'], 'free')}</td>",
        f"<td>{figures['coveredHours']:.0f} h</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>\n"


def bar(rate, colour):
    """A rate as a bar with its figure."""
    if rate is None:
        return "–"
    width = max(0.0, min(rate, 1.0)) * 100
    return f'<span class="bar"><i class="{colour}" style="width:{width:.1f}%"></i></span> {percent(rate)}'


def percent(rate):
    """A rate in percent."""
    return "–" if rate is None else f"{rate * 100:.0f} %"


def energy(watt_hours):
    """Energy with the prefix that suits it."""
    for prefix, size in (("M", 1e6), ("k", 1e3)):
        value = watt_hours / size
        if abs(value) >= 1:
            decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
            return f"{value:.{decimals}f} {prefix}Wh"
    return f"{watt_hours:.0f} Wh"


def moment(text):
    """An instant to the minute."""
    return text[:16].replace("T", " ")
