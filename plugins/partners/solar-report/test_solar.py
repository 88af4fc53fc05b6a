"""Tests of what needs no WebAssembly: python3 -m unittest"""

import json
import unittest

import page
import solar

HALF_HOUR_MS = solar.HOUR_MS // 2


def half_hours(*watts, start_ms=0):
    """Half-hours that follow on each other."""
    at = range(start_ms, start_ms + len(watts) * HALF_HOUR_MS, HALF_HOUR_MS)
    return [(start, start + HALF_HOUR_MS, power) for start, power in zip(at, watts)]


def report(produced, consumed, hours=24, **more):
    """A report over the first hours."""
    asked = solar.Params(0, hours * solar.HOUR_MS, more.get("community"), "json")
    return solar.report(asked, produced, consumed, 170)


class Rates(unittest.TestCase):
    """What solar.py promises of figures."""

    def test_what_is_drawn_at_once_is_self_consumed(self):
        made = report({"a": half_hours(0, 2_000, 1_000)}, {"a": half_hours(400, 500, 1_600)})
        row = made["households"][0]
        self.assertEqual((row["producedWh"], row["consumedWh"], row["selfConsumedWh"]), (1_500, 1_250, 750))
        self.assertEqual((row["selfConsumptionRate"], row["autarkyRate"]), (0.5, 0.6))
        self.assertEqual(row["coveredHours"], 1.5)

    def test_a_rate_of_nothing_is_none(self):
        dark = report({"a": half_hours(0)}, {"a": half_hours(100)})["households"][0]
        self.assertEqual((dark["selfConsumptionRate"], dark["autarkyRate"]), (None, 0.0))
        away = report({"a": half_hours(100)}, {"a": half_hours(0)})["households"][0]
        self.assertEqual((away["selfConsumptionRate"], away["autarkyRate"]), (0.0, None))

    def test_time_without_one_of_the_two_does_not_count(self):
        late = half_hours(300, start_ms=HALF_HOUR_MS)
        row = report({"a": half_hours(1_000, 1_000)}, {"a": late})["households"][0]
        self.assertEqual((row["producedWh"], row["coveredHours"]), (500, 0.5))
        withheld = report({"a": half_hours(1_000)}, {"b": half_hours(300)})
        self.assertEqual([row["household"] for row in withheld["households"]], ["a"])
        self.assertEqual(withheld["households"][0]["coveredHours"], 0)

    def test_intervals_of_different_lengths_meet(self):
        minutes = [(n * 60_000, (n + 1) * 60_000, 600.0) for n in range(30)]
        row = report({"a": half_hours(1_000)}, {"a": minutes})["households"][0]
        self.assertEqual((row["selfConsumedWh"], row["coveredHours"]), (300, 0.5))

    def test_intervals_are_cut_to_the_period_and_may_come_in_any_order(self):
        produced, consumed = half_hours(*[1_000] * 8), half_hours(*[1_000] * 8)
        row = report({"a": produced[::-1]}, {"a": consumed}, hours=2)["households"][0]
        self.assertEqual((row["producedWh"], row["coveredHours"]), (2_000, 2))

    def test_the_total_is_of_energies_and_the_most_comes_first(self):
        produced = {"a": half_hours(100), "b": half_hours(900)}
        consumed = {"a": half_hours(100), "b": half_hours(300)}
        made = report(produced, consumed)
        self.assertEqual([row["household"] for row in made["households"]], ["b", "a"])
        self.assertEqual(made["total"]["selfConsumptionRate"], 0.4)
        self.assertEqual(made["total"]["autarkyRate"], 1.0)
        self.assertEqual((made["from"], made["datapoints"]), ("1970-01-01T00:00:00.000Z", 170))


class Parameters(unittest.TestCase):
    """What solar.py promises of parameters."""

    def test_nothing_given_is_the_last_day_of_all_communities(self):
        asked = solar.params("{}", 3 * solar.DAY_MS)
        self.assertEqual(asked, (2 * solar.DAY_MS, 3 * solar.DAY_MS, None, "html"))

    def test_a_period_is_read_with_its_offset(self):
        text = '{"from": "2021-11-07T13:00:00+01:00", "to": "2021-11-08T12:00:00Z", "community": 4, "format": "json"}'
        asked = solar.params(text, 0)
        self.assertEqual((asked.from_ms, asked.to_ms - asked.from_ms), (1_636_286_400_000, solar.DAY_MS))
        self.assertEqual((asked.community, asked.format), (4, "json"))

    def test_what_breaks_a_rule_is_refused_by_name(self):
        for text, says in (
            ("[]", "object"),
            ("{", "Expecting"),
            ('{"until": 1}', "until: is no parameter"),
            ('{"to": "today"}', "to: must be an instant"),
            ('{"to": 5}', "to: must be an instant"),
            ('{"to": "2021-11-08T12:00:00"}', "to: must be an instant"),
            ('{"from": "2021-11-08T12:00:00Z"}', "to: must be after from"),
            ('{"from": "1969-12-31T00:00:00Z"}', "from: must be an instant"),
            ('{"to": "2021-11-08T12:00:00Z", "from": "2021-10-01T12:00:00Z"}', "31 days"),
            ('{"community": true}', "community:"),
            ('{"community": -1}', "community:"),
            ('{"format": "pdf"}', "format:"),
        ):
            with self.assertRaises(ValueError, msg=text) as refused:
                solar.params(text, solar.DAY_MS)
            self.assertIn(says, str(refused.exception))


class Page(unittest.TestCase):
    """What page.py promises."""

    def test_it_says_what_it_stands_on(self):
        made = report({"a" * 40: half_hours(2_000)}, {"a" * 40: half_hours(500)}, community=4)
        html = page.html(made)
        for part in (
            "community 4",
            "1.00 kWh",
            "25 %",
            "100 %",
            "170 datapoints",
            "1970-01-01 00:00",
            "<code>aaaaaaaa</code>",
        ):
            self.assertIn(part, html)

    def test_a_name_cannot_become_markup(self):
        html = page.html(report({'"><script>': half_hours(1)}, {}))
        self.assertNotIn("<script", html)

    def test_energies_have_the_prefix_that_suits_them(self):
        for watt_hours, words in (
            (0, "0 Wh"),
            (999, "999 Wh"),
            (12_340, "12.3 kWh"),
            (999_600, "1000 kWh"),
            (4.7e6, "4.70 MWh"),
            (2e9, "2000 MWh"),
        ):
            self.assertEqual(page.energy(watt_hours), words)

    def test_a_report_is_json(self):
        made = report({"a": half_hours(1)}, {})
        self.assertEqual(json.loads(json.dumps(made)), made)


if __name__ == "__main__":
    unittest.main()
