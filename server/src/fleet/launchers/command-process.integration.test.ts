import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock, systemClock } from "../../lib/clock.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import {
  type CommandProcess,
  type CommandProcessOptions,
  launchCommand,
  releasePort,
  reservePort,
} from "./command-process.ts";
import { fillCommandTemplate } from "./command-template.ts";
import { describeExit, describeExitPublicly } from "./process-exit.ts";

const running: CommandProcess[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => child.stop(0)));
});

function launch(argv: readonly string[], overrides: Partial<CommandProcessOptions> = {}): CommandProcess {
  const options = {
    env: { PATH: process.env["PATH"] },
    extraEnv: {},
    log: createLog("silent"),
    clock: systemClock,
    ...overrides,
  };
  const child = launchCommand(argv, options);
  running.push(child);
  return child;
}

const node = (script: string, ...args: string[]) => [process.execPath, "-e", script, ...args];

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The processes of a group that still run. */
function membersOf(group: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return state !== "Z" && Number(pgrp) === group;
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe("a command", () => {
  it("gets its arguments unchanged: no shell interprets them", async () => {
    const odd = ["$HOME", "`id`", "a b", "'; exit 1 #", "*", ""];
    const child = launch(node("console.log(JSON.stringify(process.argv.slice(1)))", "--", ...odd));
    expect(describeExit(await child.exited)).toBe("exit code 0");
    expect(JSON.parse(child.outputTail()[0]!)).toEqual(odd);
  });

  it("gets the allowed part of the environment and its extra variables", async () => {
    const env = { PATH: process.env["PATH"], HOME: "/home/x", DATABASE_URL: "postgres://u:p@h/d" };
    const script = "console.log(JSON.stringify(process.env))";
    const child = launch(node(script), { env, extraEnv: { CUDA_VISIBLE_DEVICES: "1" } });
    await child.exited;
    const childEnvironment = JSON.parse(child.outputTail()[0]!);
    expect(childEnvironment).toMatchObject({ HOME: "/home/x", CUDA_VISIBLE_DEVICES: "1" });
    expect(childEnvironment).not.toHaveProperty("DATABASE_URL");
  });

  it("leaves the last twenty lines of its output when it fails", async () => {
    const child = launch(
      node("for (let i = 0; i < 50; i++) console.error('line ' + i); process.exitCode = 3"),
    );
    expect(describeExit(await child.exited)).toBe("exit code 3");
    expect(child.outputTail()).toEqual(Array.from({ length: 20 }, (_, i) => `line ${30 + i}`));
    child.stopRecordingOutput();
    expect(child.outputTail()).toEqual([]);
  });

  it("ends with exit code 127 when the program doesn't exist", async () => {
    const child = launch(["/no/such/program"]);
    const exit = await child.exited;
    expect(describeExit(exit)).toBe("exit code 127");
    expect(describeExitPublicly(exit)).toBe("exit code 127: the program was not found");
    expect(child.outputTail().join()).toMatch(/^\/no\/such\/program: /);
  });

  it("that ends by itself with 130 has this exit code, and one that crashes has its signal", async () => {
    expect(describeExit(await launch(node("process.exit(130)")).exited)).toBe("exit code 130");
    const crash = launch(node("process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000)"));
    expect(describeExit(await crash.exited)).toBe("signal SIGSEGV");
  });

  it("ends with exit code 126 when the program can't be executed", async () => {
    const exit = await launch([fileURLToPath(import.meta.url)]).exited;
    expect(describeExitPublicly(exit)).toBe("exit code 126: the program can't be executed");
  });

  const stubbornFamily = `
    process.on("SIGTERM", () => {});
    require("node:child_process").spawn(process.execPath, ["-e", "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)"], { stdio: "inherit" });
    setInterval(() => {}, 1000);`;

  it("ends with its child processes on SIGTERM", async () => {
    // Time stands still, so the grace never ends.
    const child = launch(
      node(`${stubbornFamily} process.removeAllListeners("SIGTERM").on("SIGTERM", () => process.exit(0))`),
      { clock: new FakeClock() },
    );
    await until(() => child.outputTail().includes("up"));
    await child.stop(1000);
    await child.stop(1000);
    expect(describeExit(await child.exited)).toBe("exit code 0");
    await until(() => membersOf(child.pid!).length === 0);
  });

  it("is killed with its child processes after the grace when it ignores SIGTERM", async () => {
    const child = launch(node(stubbornFamily));
    await until(() => child.outputTail().includes("up"));
    await child.stop(20);
    await until(() => membersOf(child.pid!).length === 0);
  });

  it("ends with its child processes soon after its server was killed with SIGKILL", async () => {
    const fixture = fileURLToPath(new URL("./fixture-command-parent.ts", import.meta.url));
    const parent = fork(fixture, node(stubbornFamily), { execArgv: ["--import", "tsx"] });
    const [{ pid }] = (await once(parent, "message")) as [{ pid: number }];
    await until(() => membersOf(pid).length >= 4);
    parent.kill("SIGKILL");
    await until(() => membersOf(pid).length === 0);
  });
});

it("a template's placeholders are filled wherever they are, and nothing else is changed", () => {
  const filled = fillCommandTemplate(["{model}", "--port={port}", '{"a": {}}', "$PORT"], {
    port: "1",
    model: "/m",
  });
  expect(filled).toEqual(["/m", "--port=1", '{"a": {}}', "$PORT"]);
  expect(() => fillCommandTemplate(["{model}"], { model: null })).toThrow("the command has no {model} here");
  expect(() => fillCommandTemplate(["{constructor}"], {})).toThrow("the command has no {constructor} here");
});

it("reservePort never gives out a port twice", async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, reservePort));
  expect(new Set(ports).size).toBe(50);
  ports.forEach(releasePort);
});
