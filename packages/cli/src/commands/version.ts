import { VERSION } from "../version.ts";
import type { Run } from "./command.ts";

export const version: Run = async ({ out }) => {
  if (out.format === "json") await out.resource({ version: VERSION });
  else await out.raw(`firectl ${VERSION}\n`);
};

export const upgrade: Run = async ({ out }) => {
  await out.raw(
    [
      `This is firectl ${VERSION}. Upgrade it the way you installed it:`,
      "  from npm:           npm install --global firectl@latest",
      "  from a repository:  git pull, then npm install",
      "",
    ].join("\n"),
  );
};
