import { serveJobs } from "../platform/process/serve-jobs.ts";
import { runCompileJob } from "./compile-job.ts";
import { formatDfa } from "./json-schema/compile-scalars.ts";
import { FORMATS } from "./json-schema/formats.ts";

// Warms up the JIT compiler and the cache of formats, so that the first request does not wait for either.
const WARM_UP = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 40, pattern: "^[a-z]+(-\\d{1,3})?$" },
    score: { type: "number", minimum: -1.5, exclusiveMaximum: 100 },
    kinds: { type: "array", items: { enum: ["a", "b", 3, null] }, minItems: 1, maxItems: 9 },
    next: { anyOf: [{ $ref: "#" }, { type: "null" }] },
  },
  required: ["name"],
  additionalProperties: { type: "integer", multipleOf: 5 },
};
for (const format of FORMATS.keys()) formatDfa(format);
for (let i = 0; i < 60; i++) runCompileJob({ kind: "schema", text: JSON.stringify(WARM_UP) });

serveJobs(runCompileJob);
