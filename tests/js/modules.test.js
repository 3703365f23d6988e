// How the modules stand to each other: no circle, nothing done on import, one global.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import "./setup.js";

const FOLDER = new URL("../../app/static/js/", import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".js") && name !== "boot.js");
const text = (name) => readFileSync(new URL(name, FOLDER), "utf-8");
const imports = (name) => [...text(name).matchAll(/^(?:import|export)[^;]* from "(.+?)";$/gm)].map((found) => found[1]);

test("imports name files of this folder, by a relative address", () => {
  for (const name of NAMES) for (const other of imports(name)) assert.ok(NAMES.includes(other.replace("./", "")), `${name}: ${other}`);
});

test("no circle", () => {
  const done = new Set();
  const visit = (name, above) => {
    assert.ok(!above.includes(name), [...above, name].join(" -> "));
    if (done.has(name)) return;
    imports(name).forEach((other) => visit(other.replace("./", ""), [...above, name]));
    done.add(name);
  };
  NAMES.forEach((name) => visit(name, []));
});

test("each module can be imported without a page, and makes nothing global", async () => {
  const before = Object.keys(globalThis);
  for (const name of NAMES) await import(new URL(name, FOLDER));
  assert.deepEqual(Object.keys(globalThis), before);
});

test("only the entry and the boot speak of the global", () => {
  const code = (name) => text(name).replace(/\/\*[\s\S]*?\*\/|\/\/.*|"[^"\n]*"|`[^`]*`/g, "");
  assert.deepEqual(NAMES.filter((name) => /\bpapr\b/.test(code(name))), ["main.js"]);
});
