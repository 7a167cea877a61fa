import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type Hearth, startHearth, tempFolder, until } from "../harness/hearth.ts";
import { type Json, post, send } from "../harness/http.ts";
import { succeed, uploadTinyAddon, uploadTinyModel } from "../harness/models.ts";
import { alive, descendants } from "./processes.ts";

const DEPLOYMENTS = "/v1/accounts/local/deployments";

async function complete(hearth: Hearth, model: string): Promise<Json> {
  const body = { model, prompt: "the then there", max_tokens: 8, temperature: 0 };
  const response = await post(hearth, "/inference/v1/completions", body);
  expect(response.status, response.text).toBe(200);
  return response.json.choices[0].text;
}

const inState = (hearth: Hearth, id: string, state: string): Promise<Json> =>
  until(`${id} ${state}`, async () => {
    const { json } = await send(hearth, `${DEPLOYMENTS}/${id}`);
    return json.state === state && json;
  });

test("after kill -9 of everything the deployments that should run are started again and no others", async () => {
  const dataDir = tempFolder();
  const apiKey = `fw_${randomBytes(24).toString("base64url")}`;
  const start = () => startHearth({ dataDir, database: "embedded", env: { HEARTH_API_KEY: apiKey } });
  let hearth = await start();
  const base = await uploadTinyModel(hearth, "local", "tiny");
  const addon = await uploadTinyAddon(hearth, "local", "addon", base, { seed: 3 });
  const create = (id: string, body: object = {}) =>
    succeed(hearth, "POST", `${DEPLOYMENTS}?deploymentId=${id}`, {
      baseModel: base,
      minReplicaCount: 1,
      ...body,
    });
  await create("kept", { enableAddons: true });
  await create("gone");
  for (const id of ["kept", "gone"]) await inState(hearth, id, "READY");
  const loaded = await succeed(hearth, "POST", "/v1/accounts/local/deployedModels", {
    model: addon,
    deployment: "kept",
  });
  await until(
    "the addon",
    async () => (await succeed(hearth, "GET", `/v1/${loaded.name}`)).state === "DEPLOYED",
  );
  const [plain, adapted] = [await complete(hearth, base), await complete(hearth, addon)];
  await succeed(hearth, "PATCH", `${DEPLOYMENTS}/kept:scale`, { replicaCount: 1 });
  // The kill comes while one deployment is being created and another is being deleted.
  await create("young");
  await succeed(hearth, "DELETE", `${DEPLOYMENTS}/gone?ignoreChecks=true`);
  const children = descendants(hearth.pid);
  await hearth.kill9();
  await until("the end of all children", () => alive(children).length === 0);

  hearth = await start();
  for (const id of ["kept", "young"]) {
    await until(`a replica of ${id}`, async () => (await inState(hearth, id, "READY")).replicaCount === 1);
  }
  await inState(hearth, "gone", "DELETED");
  expect(await complete(hearth, `${base}#local/kept`)).toBe(plain);
  expect(await complete(hearth, `${base}#local/young`)).toBe(plain);
  expect(await complete(hearth, addon)).toBe(adapted);
  await succeed(hearth, "POST", `${DEPLOYMENTS}/gone:undelete`, {});
  await inState(hearth, "gone", "READY");
  expect(await complete(hearth, `${base}#local/gone`)).toBe(plain);
  await hearth.stop();
});
