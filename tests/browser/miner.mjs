// Real rigs for what simulated ones cannot do: wait for approval, and be paired. They mine nothing until told.

import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAMS = process.env.FARM_PROGRAMS ?? new URL("../../target/debug", import.meta.url).pathname;

// A rig of this name: {facts, pair(), stop()}. `facts` has what it prints about itself, such as facts["pairing code"].
export async function startMiner(name, flags, { input = "", until }) {
  const home = await mkdtemp(join(tmpdir(), "farm-page-"));
  const options = { env: { PATH: process.env.PATH, HOME: home } };
  const program = join(PROGRAMS, "miner");
  execFileSync(program, ["node", "init", "--name", name, "--role", "worker"], options);
  const child = spawn(program, ["node", "serve", ...flags], { ...options, stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.end(input);
  const facts = {};
  await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, key, value] = /^([a-z]+(?: [a-zA-Z]+)?) {1,}(\S+)$/.exec(line) ?? [];
      if (key) facts[key] = value;
      if (key === until) resolve();
    });
  });
  return {
    facts,
    // Another pairing code, for another controller.
    pair: () => /(?:[0-9A-Z]{4}-){6}[0-9A-Z]{4}/.exec(execFileSync(program, ["peer", "pair"], options))[0],
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve(rm(home, { recursive: true, force: true })));
        child.kill();
      }),
  };
}
