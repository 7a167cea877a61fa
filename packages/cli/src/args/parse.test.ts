import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GLOBAL_FLAGS } from "../commands/global-flags.ts";
import { COMMANDS } from "../commands/table.ts";
import { UsageError } from "../errors.ts";
import { words } from "../testing.ts";
import { checkArgs, parseLine } from "./parse.ts";

const parse = (line: string) => parseLine(words(line), COMMANDS, GLOBAL_FLAGS);

function refusal(line: string): string {
  try {
    const { command, args } = parse(line);
    if (command !== null) checkArgs(command, args);
  } catch (error) {
    if (error instanceof UsageError) return `${error.message} ${error.next ?? ""}`;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("parseLine follows the rules of pflag", () => {
  test.each([
    ["get model x -a fireworks", { account: "fireworks" }],
    ["-a fireworks get model x", { account: "fireworks" }],
    ["get -a fireworks model x", { account: "fireworks" }],
    ["get model -a=fireworks x", { account: "fireworks" }],
    ["get model x -ojson", { output: "json" }],
    ["get model x --output=json", { output: "json" }],
    ["update model x --public", { public: true }],
    ["update model --public x", { public: true }],
    ["update model x --public=false", { public: false }],
    ["update model x --public=f", { public: false }],
    ["update model x --display-name=", { "display-name": "" }],
    ["update model x --display-name -weird", { "display-name": "-weird" }],
    ["update model x --display-name=a=b", { "display-name": "a=b" }],
    ["update model x --context-length 1 --context-length 2", { "context-length": 2 }],
    ["update deployment x --world-size 2", { "accelerator-count": 2 }],
    [
      "update deployment x --direct-route-api-keys a --direct-route-api-keys b,c",
      { "direct-route-api-keys": ["a", "b", "c"] },
    ],
    [
      "update deployment x --load-targets default=0.8 --load-targets t=100",
      { "load-targets": { default: 0.8, t: 100 } },
    ],
    ["create deployment m --region us_iowa_1", { region: "US_IOWA_1" }],
    ["create sftj --epochs 2.0 --learning-rate 1e-4", { epochs: 2, "learning-rate": 0.0001 }],
    ["update quota monthly-spend-usd --value 9007199254740993", { value: "9007199254740993" }],
  ])("%s", (line, flags) => {
    expect(Object.fromEntries(parse(line).flags)).toEqual(flags);
  });

  test("arguments after -- are never flags", () => {
    expect(parse("get model -- --help").args).toEqual(["--help"]);
  });

  test("a boolean flag doesn't consume the next argument", () => {
    expect(parse("update deployed-model --public my-id").args).toEqual(["my-id"]);
  });
});

describe("a mistyped command line is refused with a suggestion", () => {
  test.each([
    ["crate model", "Did you mean firectl create?"],
    ["get modle x", "Did you mean firectl get model?"],
    ["get dep x", "Did you mean firectl get deployment?"],
    ["update model x --dispaly-name y", "Did you mean --display-name?"],
    ["get model x -z", 'has no flag "-z"'],
    ["get model x -o jsno", "Did you mean json?"],
    ["create deployment m --accelerator-type NVIDIA_H100_80G", "Did you mean NVIDIA_H100_80GB?"],
    ["create deployment m --min-replica-count many", "must be a whole number"],
    ["create deployment m --min-replica-count 3000000000", "must be a whole number"],
    ["create deployment m --scale-up-window 5", "a duration such as 90s, 10m or 1h30m"],
    ["create deployment m --scale-up-window=-5m", "a duration"],
    ["create deployment m --load-targets default", "like default=0.8"],
    ["create deployment m --load-targets default=high", "like default=0.8"],
    ["update model x --public=maybe", "true or false"],
    ["update model x --display-name", "--display-name needs a value"],
    ["get model", "firectl get model needs <model-id>"],
    ["get model a b", 'doesn\'t take "b"'],
    ["create user --role owner", "It can be admin, user, contributor, inference-user"],
  ])("%s", (line, expected) => {
    expect(refusal(line)).toContain(expected);
  });

  test("a word that resembles no command gets no suggestion", () => {
    expect(refusal("xyzzy")).not.toContain("Did you mean");
  });
});

test("parseLine throws nothing but usage errors", () => {
  const known = [
    "create",
    "get",
    "model",
    "deployment",
    "-a",
    "--public",
    "--wait",
    "-o",
    "json",
    "--",
    "-",
    "--x=1",
    "help",
  ];
  const word = fc.oneof(fc.constantFrom(...known), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (argv) => {
      try {
        parseLine(argv, COMMANDS, GLOBAL_FLAGS);
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
      }
    }),
  );
});
