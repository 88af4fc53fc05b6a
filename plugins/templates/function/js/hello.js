// The function.

// Greets whoever is named, or the world.
export function greet(greeting, name) {
  return `${greeting}, ${name.trim() || 'world'}!\n`;
}
