// Glue between HTTP and the function. What is answered is in hello.js, which is tested natively.

import { getEnvironment } from 'wasi:cli/environment@0.2.10';
import { greet } from './hello.js';

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  // The variable GREETING of leyden.toml. Secrets are found in the same way.
  const { GREETING = 'Hello' } = Object.fromEntries(getEnvironment());
  const text = greet(GREETING, await request.text());
  console.log(`answers ${request.method}`);
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}
