/**
 * Loaded into every engine process before its own module. The parent decides when a child ends: Ctrl-C and a service
 * manager's stop reach the whole process group, but work in flight must finish first. Once the channel is gone so is
 * the parent, and nobody is left to work for.
 */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// Killed rather than exited: an exit would wait for native work such as the batch being computed.
const end = () => process.kill(process.pid, "SIGKILL");
process.on("disconnect", end);
// The parent may have died while this process was still loading.
if (!process.connected) end();
