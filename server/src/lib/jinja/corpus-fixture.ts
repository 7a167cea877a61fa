/** For tests only: chat templates in the style of the common families, and the conversations to render with them. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TemplateError } from "./errors.ts";
import { Template } from "./template.ts";

/** Result of rendering a template, in the form that `reference.py` prints. */
export type Rendering = { text: string } | { raised: string } | { failed: string };

interface Cases {
  now: string;
  common: Record<string, unknown>;
  cases: { name: string; variables: Record<string, unknown> }[];
}

const FOLDER = new URL("./corpus/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, FOLDER), "utf8");

export const REFERENCE_SCRIPT = fileURLToPath(new URL("reference.py", FOLDER));
export const TEMPLATE_NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".jinja"));
const { now, common, cases } = JSON.parse(read("cases.json")) as Cases;
export const CASE_NAMES = cases.map(({ name }) => name);

/** Renders one template with every case. */
export function renderCases(templateName: string): Rendering[] {
  const template = new Template(read(templateName));
  return cases.map(({ variables }) => {
    try {
      return { text: template.render({ ...common, ...variables }, { now: new Date(now) }) };
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      return error.raised ? { raised: error.message } : { failed: error.message };
    }
  });
}

/** The digests of Python's renderings of one template. */
export function storedDigests(templateName: string): string[] {
  const line = read("expected.txt")
    .split("\n")
    .find((candidate) => candidate.startsWith(`${templateName} `));
  return line?.split(" ").slice(1) ?? [];
}

/** Python's error messages differ, so that all failures are alike. */
export function digest(rendering: Rendering): string {
  const text = "failed" in rendering ? "failed" : JSON.stringify(rendering);
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
