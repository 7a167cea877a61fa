import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ListJson } from "./json.ts";
import { StatusLine } from "./status-line.ts";
import { Table } from "./table.ts";
import { label, printable, resourceText } from "./text.ts";

describe("text output", () => {
  test("a resource is printed in the reference's format", () => {
    const model = {
      state: "READY",
      name: "accounts/acme/models/x",
      tunable: true,
      supportsLora: false,
      description: "",
      precisions: ["FP16", "FP8"],
      cluster: null,
      region: "REGION_UNSPECIFIED",
      status: { code: "OK", message: "" },
      peftDetails: { baseModel: "accounts/fireworks/models/y", r: 8 },
      annotations: { teamName: "a" },
      deployedModelRefs: [
        { name: "accounts/acme/deployedModels/1", state: "DEPLOYED", default: true, public: false },
        { name: "accounts/acme/deployedModels/2", state: "DEPLOYED", default: false, public: false },
      ],
    };
    expect(resourceText(model)).toBe(`Name: accounts/acme/models/x
State: READY
Tunable: true
Supports Lora: false
Precisions: [FP16, FP8]
Peft Details:
  Base Model: accounts/fireworks/models/y
  R: 8
Annotations:
  teamName: a
Deployed Model Refs:
  [{
    Name: accounts/acme/deployedModels/1
    State: DEPLOYED
    Default: true
  },
  {
    Name: accounts/acme/deployedModels/2
    State: DEPLOYED
  },
]
`);
  });

  test("a status with a message is printed", () => {
    const status = { code: "INVALID_ARGUMENT", message: "Row 3 is no JSON." };
    expect(resourceText({ name: "n", status })).toContain(
      "Status:\n  Code: INVALID_ARGUMENT\n  Message: Row 3 is no JSON.",
    );
  });

  test.each([
    ["keyId", "Key Id"],
    ["githubUrl", "Github Url"],
    ["minReplicaCount", "Min Replica Count"],
    ["name", "Name"],
  ])("%s is labelled %s", (field, expected) => {
    expect(label(field)).toBe(expected);
  });

  test("a response's control characters never reach the terminal", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const out = resourceText({ name: a, [`x${b}`]: [b], nested: { y: b }, list: [{ z: a }] });
        expect(out.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
    expect(printable("\u001b[31mred\u202e")).toBe("\\u001b[31mred\\u202e");
  });
});

describe("tables", () => {
  const table = () =>
    new Table([
      ["NAME", "name"],
      ["MODEL", "config.model"],
      ["DEFAULT", "default"],
    ]);

  test("align columns and print a dash for a missing value", () => {
    const page = table().page([
      { name: "a", config: { model: "long-model" }, default: false },
      { name: "longer", config: {}, default: true },
    ]);
    expect(page).toBe(
      ["NAME    MODEL       DEFAULT", "a       long-model  false", "longer  -           true", ""].join("\n"),
    );
  });

  test("print no headings on later pages and keep the column widths", () => {
    const one = table();
    one.page([{ name: "longer", config: { model: "m" }, default: true }]);
    expect(one.page([{ name: "b", config: { model: "m" }, default: false }])).toBe("b       m      false\n");
  });
});

describe("JSON of a list", () => {
  test("equals the API's response for every split into pages", () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(fc.array(fc.array(object, { maxLength: 3 }), { maxLength: 4 }), (pages) => {
        const json = new ListJson("models");
        const text =
          pages.map((page) => json.page(page)).join("") + json.end({ nextPageToken: "t", totalSize: 1 });
        const expected = { models: pages.flat(), nextPageToken: "t", totalSize: 1 };
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });
});

describe("the status line", () => {
  const open = (isTerminal: boolean, isQuiet = false) => {
    let text = "";
    const outputStream = {
      isTerminal,
      columns: 20,
      async write(more: string) {
        text += more;
      },
    };
    return { line: new StatusLine(outputStream, isQuiet), written: () => text };
  };

  test("is redrawn in a terminal and never wider than it", async () => {
    const { line, written } = open(true);
    await line.show("CREATING", " 1 s and a lot of other objects");
    await line.show("CREATING", " 2 s");
    await line.clear();
    expect(written()).toBe("\r\u001b[KCREATING 1 s and a \r\u001b[KCREATING 2 s\r\u001b[K");
  });

  test("is a new line for each new message elsewhere", async () => {
    const { line, written } = open(false);
    await line.show("CREATING", " 1 s");
    await line.show("CREATING", " 2 s");
    await line.show("READY");
    await line.clear();
    expect(written()).toBe("CREATING\nREADY\n");
  });

  test("is empty with --quiet", async () => {
    const { line, written } = open(true, true);
    await line.show("CREATING");
    await line.clear();
    expect(written()).toBe("");
  });
});
