import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock, systemClock } from "../../lib/clock.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import { type LocalProcess, type LocalProcessOptions, launchLocalProcess } from "./local-process.ts";
import { describeExit } from "./process-exit.ts";

const entry = new URL("./fixture-engine.ts", import.meta.url);
const running: LocalProcess[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => child.stop(0)));
});

function launch(
  overrides: Partial<LocalProcessOptions> = {},
  env: Record<string, string> = {},
  preload: URL[] = [],
): LocalProcess {
  const options = {
    env: { PATH: process.env["PATH"] },
    log: createLog("silent"),
    clock: systemClock,
    ...overrides,
  };
  const child = launchLocalProcess({ entry, preload, env }, options);
  running.push(child);
  return child;
}

/** The next message for which `test` holds. */
function message<T>(child: LocalProcess, test: (message: never) => boolean): Promise<T> {
  return new Promise((resolve) =>
    child.channel.onMessage((received) => {
      if (test(received as never)) resolve(received as T);
    }),
  );
}

const ready = (child: LocalProcess) => message(child, ({ type }: { type: string }) => type === "hello");
const closed = (child: LocalProcess) => new Promise<string>((resolve) => child.channel.onClose(resolve));

/** Resolves once there is no such process any more. */
async function gone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A dead process that nobody has reaped yet still has a pid, but runs no more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== "linux" || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("an engine process", () => {
  it("exchanges structured-clone data", async () => {
    const child = launch();
    await ready(child);
    const sent = { type: "echo", bytes: new Uint8Array([1, 2]), map: new Map([["a", 1n]]) };
    const answer = message(child, ({ type }: { type: string }) => type === "echo");
    child.channel.send(sent);
    expect(await answer).toEqual(sent);
  });

  it("gets its kind's environment and preloaded modules, and none of the server's secrets", async () => {
    const secrets = {
      DATABASE_URL: "postgres://u:p@h/d",
      HEARTH_API_KEY: "fw_secret",
      HTTPS_PROXY: "http://u:p@h",
    };
    const env = { PATH: process.env["PATH"], HOME: "/home/x", ...secrets };
    const preload = new URL('data:text/javascript,process.env.PRELOADED = "yes"');
    const child = launch({ env }, { UV_THREADPOOL_SIZE: "1" }, [preload]);
    await ready(child);
    const answer = message<Record<string, string>>(child, (received: object) => "PATH" in received);
    child.channel.send({ type: "env" });
    const childEnv = await answer;
    expect(childEnv).toMatchObject({ UV_THREADPOOL_SIZE: "1", HOME: "/home/x", PRELOADED: "yes" });
    for (const name of Object.keys(secrets)) expect(childEnv).not.toHaveProperty(name);
  });

  it("has its output logged at debug, long lines in pieces", async () => {
    const lines: { level: number; line: string }[] = [];
    const whole = new Promise<void>((resolve) => {
      const sink = new Writable({
        write(chunk, _encoding, done) {
          lines.push(JSON.parse(String(chunk)));
          if (lines.at(-1)?.line === "end") resolve();
          done();
        },
      });
      const child = launch({ log: pino({ level: "debug" }, sink) });
      ready(child).then(() => child.channel.send({ type: "print", text: `${"é".repeat(5000)}\nend` }));
    });
    await whole;
    expect(lines.map(({ level, line }) => [level, line.length])).toEqual([
      [20, 2000],
      [20, 2000],
      [20, 1000],
      [20, 3],
    ]);
  });

  it("reports its end once, with the reason, also to a listener that is added later", async () => {
    const child = launch();
    await ready(child);
    let calls = 0;
    child.channel.onClose(() => calls++);
    child.channel.send({ type: "exit" });
    expect(describeExit(await child.exited)).toBe("exit code 7");
    await closed(child);
    expect(calls).toBe(1);
    child.channel.send({ type: "echo" });
  });

  it("reports the signal that killed it", async () => {
    const child = launch();
    await ready(child);
    process.kill(child.pid!, "SIGKILL");
    expect(describeExit(await child.exited)).toBe("signal SIGKILL");
  });

  it("ignores the terminal's Ctrl-C and stop signals", async () => {
    const child = launch();
    await ready(child);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.kill(child.pid!, signal);
    const answer = message(child, ({ type }: { type: string }) => type === "echo");
    child.channel.send({ type: "echo" });
    expect(await answer).toEqual({ type: "echo" });
  });

  it("ends by itself when it is stopped", async () => {
    // Time stands still, so the grace never ends.
    const child = launch({ clock: new FakeClock() });
    await ready(child);
    await child.stop(1);
    await child.stop(1);
  });

  it("is killed after the grace when it hangs", async () => {
    const child = launch();
    await ready(child);
    child.channel.send({ type: "hang" });
    await child.stop(50);
    expect(isRunning(child.pid!)).toBe(false);
  });

  it("ends at once when its module doesn't exist", async () => {
    const missing = { entry: new URL("./no-such-module.ts", import.meta.url), env: {} };
    const options = { env: { PATH: process.env["PATH"] }, log: createLog("silent"), clock: systemClock };
    expect(describeExit(await launchLocalProcess(missing, options).exited)).toBe("exit code 1");
  });

  it.each(["when it is up", "at once"])(
    "ends soon after its server was killed with SIGKILL %s",
    async (when) => {
      const fixture = fileURLToPath(new URL("./fixture-parent.ts", import.meta.url));
      const parent = fork(fixture, [when], { execArgv: ["--import", "tsx"] });
      const [{ pid }] = (await once(parent, "message")) as [{ pid: number }];
      process.kill(pid, 0);
      parent.kill("SIGKILL");
      await gone(pid);
    },
  );
});
