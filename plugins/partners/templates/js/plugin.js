// Glue between the platform and the report: reads what the report needs and passes it on. What is computed
// is in summary.js, which knows nothing of WebAssembly and is tested natively.

import { now } from 'leyden:clock/clock@0.1.0';
import { read } from 'leyden:data/global-consumption@0.1.0';
import { period, report } from './summary.js';

// Readings of one page, the most there are: each page has its price.
const PAGE_READINGS = 1000;

// What the platform calls. What is thrown as an object with `tag` and `val` is the WIT's `error`.
export const reports = {
  report({ json }) {
    const { fromMs, toMs } = parsed(json);
    const { powers, suppressed } = readAll(fromMs, toMs);
    const body = new TextEncoder().encode(report(fromMs, toMs, powers, suppressed));
    return { mediaType: 'application/json', body };
  },
};

function parsed(json) {
  try {
    return period(json, Number(now()));
  } catch (error) {
    throw { tag: 'invalid-params', val: error.message };
  }
}

// Reads every page of the period; also how many intervals were left out for privacy.
function readAll(fromMs, toMs) {
  const powers = [];
  let suppressed = 0;
  let cursor;
  do {
    const page = pageAt(fromMs, toMs, cursor);
    for (const { interval, powerW } of page.readings) {
      powers.push({ startsAtMs: Number(interval.startsAtMs), endsAtMs: Number(interval.endsAtMs), powerW });
    }
    suppressed += page.suppressed;
    cursor = page.next;
  } while (cursor !== undefined);
  return { powers, suppressed };
}

function pageAt(fromMs, toMs, cursor) {
  try {
    return read({ fromMs: BigInt(fromMs), toMs: BigInt(toMs), community: undefined, cursor, limit: PAGE_READINGS });
  } catch (error) {
    throw { tag: 'failed', val: words(error.payload ?? error) };
  }
}

// Why there is no report, for whoever started the run.
function words({ tag, val }) {
  switch (tag) {
    case 'out-of-credit': return `a read costs ${val.price} datapoints and ${val.left} are left`;
    case 'not-consented': return 'no household lets this dataset be read';
    case 'not-trusted': return `the dataset needs trust level ${val}`;
    case 'no-data': return 'nothing was measured in the period';
    default: return String(val);
  }
}
