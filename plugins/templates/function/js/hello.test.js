// Tests of the function: npm test

import assert from 'node:assert/strict';
import test from 'node:test';
import { greet } from './hello.js';

test('whoever is named is greeted, and else the world', () => {
  assert.equal(greet('Hello', ' Ada\n'), 'Hello, Ada!\n');
  assert.equal(greet('Hej', ''), 'Hej, world!\n');
});
