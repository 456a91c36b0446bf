/** Where node finds what the bindings are in a plugin. */

export async function resolve(specifier, context, next) {
  if (specifier.startsWith('sop:engine/transactions@')) {
    return { url: new URL('./transactions.js', import.meta.url).href, shortCircuit: true };
  }
  return next(specifier, context);
}
