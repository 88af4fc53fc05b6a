"""Tests of the report's logic: python3 -m unittest"""

import json
import unittest

import summary


class Summary(unittest.TestCase):
    """What summary.py promises."""

    def test_the_period_is_the_last_day_unless_the_parameters_say_otherwise(self):
        self.assertEqual(summary.period("{}", 2 * summary.DAY_MS), (summary.DAY_MS, 2 * summary.DAY_MS))
        self.assertEqual(summary.period('{"fromMs": 5, "toMs": 9}', 0), (5, 9))
        for wrong in ('{"fromMs": 9, "toMs": 9}', '{"toMs": "today"}', '{"fromMs": true}', "[]", "{"):
            with self.assertRaises(ValueError):
                summary.period(wrong, 10)

    def test_energy_mean_and_peak_are_those_of_the_intervals(self):
        hour = summary.HOUR_MS
        powers = [(0, hour, 100.0), (hour, 2 * hour, 300.0)]
        report = json.loads(summary.report(0, 2 * hour, powers, 2))
        self.assertEqual((report["energyWh"], report["meanW"]), (400.0, 200.0))
        self.assertEqual((report["peakW"], report["peakStartsAtMs"]), (300.0, hour))
        self.assertEqual(report["suppressed"], 2)
        self.assertIsNone(json.loads(summary.report(0, hour, [], 3))["meanW"])


if __name__ == "__main__":
    unittest.main()
