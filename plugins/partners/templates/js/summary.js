// The report: mean and peak of what the community drew in a period.

// One day and one hour, ms. A day is the period unless the parameters name another.
export const DAY_MS = 24 * 60 * 60 * 1000;
export const HOUR_MS = 60 * 60 * 1000;

// Reads {"fromMs": …, "toMs": …}; both may be left out.
export function period(json, nowMs) {
  const params = JSON.parse(json);
  if (params === null || typeof params !== 'object' || Array.isArray(params)) {
    throw new Error('the parameters must be a JSON object');
  }
  const toMs = params.toMs ?? nowMs;
  const fromMs = params.fromMs ?? Math.max(toMs - DAY_MS, 0);
  for (const [name, value] of Object.entries({ toMs, fromMs })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new Error(`${name}: must be a number of milliseconds since 1970`);
    }
  }
  if (fromMs >= toMs) throw new Error('toMs: must be after fromMs');
  return { fromMs, toMs };
}

// The report as JSON; powers are { startsAtMs, endsAtMs, powerW }.
export function report(fromMs, toMs, powers, suppressed) {
  const hours = ({ startsAtMs, endsAtMs }) => (endsAtMs - startsAtMs) / HOUR_MS;
  const energyWh = powers.reduce((sum, power) => sum + power.powerW * hours(power), 0);
  const measuredH = powers.reduce((sum, power) => sum + hours(power), 0);
  const peak = powers.reduce((peak, power) => (peak && peak.powerW >= power.powerW ? peak : power), undefined);
  return JSON.stringify({
    fromMs,
    toMs,
    intervals: powers.length,
    suppressed,
    energyWh,
    meanW: measuredH > 0 ? energyWh / measuredH : null,
    peakW: peak?.powerW ?? null,
    peakStartsAtMs: peak?.startsAtMs ?? null,
  });
}
