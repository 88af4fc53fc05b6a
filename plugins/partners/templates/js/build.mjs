// Makes plugin.wasm of plugin.js and what it imports: npm run build

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'plugin.js',
  witPath: 'wit',
  worldName: 'plugin',
  // With all of them off nothing of WASI is imported. There is no console and no fetch then, the time comes
  // from leyden:clock, and Math.random gives the same numbers in every run.
  disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
});
await writeFile('plugin.wasm', component);
console.log(`plugin.wasm: ${component.length} bytes`);
