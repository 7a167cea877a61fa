// npm run new:resource NAME [PLURAL]: a new resource of the control plane, made from scripts/templates/resource.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, rootDir } from "./setup.mjs";

const TEMPLATE_DIR = join(rootDir, "scripts/templates/resource");
const COMPOSITION_FILE = join(rootDir, "server/src/composition/control.ts");
const JOURNAL_FILE = join(rootDir, "server/migrations/meta/_journal.json");
/** The template's own name. Its two words make camelCase, kebab-case and snake_case tell each other apart. */
const TEMPLATE_NAME = { singular: "sample-note", plural: "sample-notes" };
/** New resources are added before this line of the composition file. */
const MARKER = "// `npm run new:resource` adds new resources above this line.";

const [singular, plural = pluralOf(singular ?? "")] = process.argv.slice(2);
for (const name of [singular, plural]) {
  if (!/^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/.test(name ?? "")) {
    fail("Usage: npm run new:resource NAME [PLURAL], with names such as fine-tuning-job.");
  }
}
if (singular === plural)
  fail(`The plural of ${singular} must differ from it; say it as the second argument.`);
const folder = join(rootDir, "server/src/control", plural);
if (existsSync(folder)) fail(`${folder} exists already.`);

ensureInstalled({ dev: true });
mkdirSync(folder);
for (const file of readdirSync(TEMPLATE_DIR)) {
  writeFileSync(join(folder, file), rename(readFileSync(join(TEMPLATE_DIR, file), "utf8")));
}
const line = rename("  lifecycle.addResource(createSampleNotes({ ...base, accounts }), sampleNoteRoutes);");
addToComposition(line);
run("biome", ["check", "--write", folder, COMPOSITION_FILE]);
run("drizzle-kit", ["generate", "--config", "server/drizzle.config.ts", "--name", rename("sample_notes")]);
keepMigrationsInOrder();

console.log(`
New resource in server/src/control/${plural}, with its table's migration in server/migrations.
server/src/composition/control.ts has its line:
${line}
Next:
1. Put the resource's fields into schema.ts, table.ts, store.ts, view.ts and service.ts, and decide in routes.ts what
   suspended accounts may do.
2. If the table has changed, undo the generated migration ("git checkout server/migrations && git clean -f
   server/migrations"), then run "npx drizzle-kit generate --config server/drizzle.config.ts --name NAME".
3. Run "npx vitest run server/src/control/${plural}" and "npm run check".
4. Describe the resource in README.md and docs.`);

/** Replaces the template's name in all of its spellings, the plural before the singular that it contains. */
function rename(text) {
  const from = [...spellings(TEMPLATE_NAME.plural), ...spellings(TEMPLATE_NAME.singular)];
  const to = [...spellings(plural), ...spellings(singular)];
  return from.reduce((result, spelling, i) => result.replaceAll(spelling, to[i]), text);
}

/** kebab-case, snake_case, camelCase, PascalCase, words, and words that begin a sentence. */
function spellings(kebab) {
  const camel = kebab.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
  const words = kebab.replaceAll("-", " ");
  return [kebab, kebab.replaceAll("-", "_"), camel, capitalize(camel), words, capitalize(words)];
}

function capitalize(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function pluralOf(name) {
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(name) ? `${name}es` : `${name}s`;
}

function addToComposition(statement) {
  const text = readFileSync(COMPOSITION_FILE, "utf8");
  if (!text.includes(MARKER)) fail(`${COMPOSITION_FILE} has lost its line: ${MARKER}`);
  const imports = [
    'import { sampleNoteRoutes } from "../control/sample-notes/routes.ts";',
    'import { createSampleNotes } from "../control/sample-notes/service.ts";',
  ].map(rename);
  // Biome sorts the imports afterwards.
  const lastImport = text.lastIndexOf("\nimport { createUsers }");
  writeFileSync(
    COMPOSITION_FILE,
    `${text.slice(0, lastImport)}\n${imports.join("\n")}${text.slice(lastImport)}`.replace(
      `  ${MARKER}`,
      `${statement}\n  ${MARKER}`,
    ),
  );
}

/** The migrator skips a migration whose time is not after the last applied one's, as one made on a slow clock is. */
function keepMigrationsInOrder() {
  const journal = JSON.parse(readFileSync(JOURNAL_FILE, "utf8"));
  const [previous, last] = journal.entries.slice(-2);
  if (last.when > previous.when) return;
  last.when = previous.when + 1_000;
  writeFileSync(JOURNAL_FILE, JSON.stringify(journal, null, 2));
}

function run(tool, args) {
  const { status } = spawnSync(join(rootDir, "node_modules/.bin", tool), args, {
    cwd: rootDir,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) fail(`${tool} failed; its message is above.`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
