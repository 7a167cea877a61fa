/**
 * A URL to start a worker thread with, so that it runs a TypeScript module. tsx registers itself only in the main
 * thread; the URL's code registers it in the worker first.
 */
export function threadEntry(entry: URL): URL {
  const boot = `
    import { register } from ${JSON.stringify(import.meta.resolve("tsx/esm/api"))};
    register();
    await import(${JSON.stringify(entry.href)});
  `;
  return new URL(`data:text/javascript,${encodeURIComponent(boot)}`);
}
