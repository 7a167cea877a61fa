/**
 * Loaded into every engine process before the engine's module. The parent decides when a child ends: Ctrl-C and a service
 * manager's stop reach the whole process group, but work in flight must finish first. When the channel closes, the parent
 * has died and the child ends itself.
 */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// SIGKILL instead of process.exit(), which would wait for the batch that native code computes.
const end = () => process.kill(process.pid, "SIGKILL");
process.on("disconnect", end);
// The parent may have died while this process was still loading.
if (!process.connected) end();
