/** What a worker thread is started with to run a module of ours: tsx registers itself only in the main thread. */
export function threadEntry(entry: URL): URL {
  const boot = `
    import { register } from ${JSON.stringify(import.meta.resolve("tsx/esm/api"))};
    register();
    await import(${JSON.stringify(entry.href)});
  `;
  return new URL(`data:text/javascript,${encodeURIComponent(boot)}`);
}
