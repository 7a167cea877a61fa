import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeTinyModel } from "../../../server/src/model-files/testing.ts";
import { startHearth } from "../../../server/test/harness/hearth.ts";
import { downloadDataset, downloadModel, Fireworks, uploadDataset, uploadModel } from "../src/node/index.ts";

test("try", async () => {
  const hearth = await startHearth();
  const client = new Fireworks({ apiKey: hearth.apiKey, baseURL: hearth.baseUrl, log: console.log });
  console.log(await client.accountId());
  const f = await mkdtemp(join(tmpdir(), "sdk-"));
  await writeFile(
    join(f, "a.jsonl"),
    '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}\n'.repeat(5),
  );
  console.log(
    await uploadDataset(client, join(f, "a.jsonl"), {
      datasetId: "a",
      onProgress: (p) => console.log(p),
      stateFolder: null,
    }),
  );
  console.log(await downloadDataset(client, "a", join(f, "out")));
  expect(await readFile(join(f, "out/a.jsonl"))).toEqual(await readFile(join(f, "a.jsonl")));
  await writeTinyModel(join(f, "m"));
  const m = await uploadModel(client, join(f, "m"), { modelId: "m", stateFolder: null });
  console.log(m.state, m.kind, await downloadModel(client, "m", join(f, "mout")));
  for await (const m of client.models.list({}, { accountId: "fireworks" })) console.log(m.name);
  await rm(f, { recursive: true });
});
