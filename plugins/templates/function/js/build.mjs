// Makes function.wasm of app.js and what it imports: npm run build

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({ sourcePath: 'app.js', witPath: 'wit', worldName: 'function' });
await writeFile('function.wasm', component);
