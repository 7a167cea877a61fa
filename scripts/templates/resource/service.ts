import type { Clock } from "../../lib/clock.ts";
import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { AppError } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { authorize, notFound, type Principal } from "../accounts/service.ts";
import { SampleNoteBody } from "./schema.ts";
import { type SampleNoteRow, sampleNoteStore } from "./store.ts";
import { sampleNoteView, titleOf } from "./view.ts";

/** All operations throw NOT_FOUND for another account; those that write throw FORBIDDEN by role. */
export interface SampleNotes {
  /** @throws AppError BAD_REQUEST naming the field, ALREADY_EXISTS. */
  create(
    principal: Principal,
    accountId: string,
    id: string | undefined,
    body: SampleNoteBody,
  ): Promise<SampleNoteBody>;
  get(principal: Principal, accountId: string, id: string): Promise<SampleNoteBody>;
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ sampleNotes: SampleNoteBody[]; nextPageToken: string; totalSize: number }>;
  /** @throws AppError BAD_REQUEST naming the field. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    body: SampleNoteBody,
    updateMask: string | undefined,
  ): Promise<SampleNoteBody>;
  delete(principal: Principal, accountId: string, id: string): Promise<void>;
}

export interface SampleNotesDeps {
  database: Pick<Database, "db">;
  clock: Clock;
  /** Seals page tokens. */
  tokenSecret: Buffer;
  accounts: { exists(accountId: string): Promise<boolean> };
}

const MAX_DESCRIPTION_CHARS = 1_000;

export function createSampleNotes({ database, clock, tokenSecret, accounts }: SampleNotesDeps): SampleNotes {
  const store = sampleNoteStore(database, tokenSecret);

  /** @throws AppError NOT_FOUND, FORBIDDEN. */
  async function getWritable(principal: Principal, accountId: string, id: string): Promise<SampleNoteRow> {
    authorize(principal, accountId, "write", titleOf(accountId, id));
    const row = await store.get(accountId, id);
    if (row === null) throw notFound(titleOf(accountId, id));
    authorize(principal, accountId, "write", titleOf(accountId, id), row.createdBy);
    return row;
  }

  return {
    async create(principal, accountId, id = randomId(), body) {
      const account = `Account accounts/${accountId}`;
      authorize(principal, accountId, "write", account);
      if (!(await accounts.exists(accountId))) throw notFound(account);
      checkNewId("sampleNoteId", id);
      const now = new Date(clock.now());
      const row: SampleNoteRow = {
        accountId,
        id,
        ...parseFields(body),
        createdBy: principal.userId,
        createTime: now,
        updateTime: now,
      };
      if (await store.insert(row)) return sampleNoteView(row);
      throw new AppError("ALREADY_EXISTS", `${titleOf(accountId, id)} already exists.`, {
        param: "sampleNoteId",
      });
    },
    async get(principal, accountId, id) {
      authorize(principal, accountId, "read", titleOf(accountId, id));
      const row = await store.get(accountId, id);
      if (row === null) throw notFound(titleOf(accountId, id));
      return sampleNoteView(row);
    },
    async list(principal, accountId, query) {
      authorize(principal, accountId, "read", `Account accounts/${accountId}`);
      const { rows, nextPageToken, totalSize } = await store.list(query, accountId);
      return { sampleNotes: rows.map(sampleNoteView), nextPageToken, totalSize };
    },
    async update(principal, accountId, id, body, updateMask) {
      await getWritable(principal, accountId, id);
      const paths = updatePaths(updateMask, body, SampleNoteBody);
      const row = await store.change(accountId, id, (current) => ({
        ...current,
        ...parseFields(mergePatch(sampleNoteView(current), body, paths)),
        updateTime: new Date(clock.now()),
      }));
      if (row === null) throw notFound(titleOf(accountId, id));
      return sampleNoteView(row);
    },
    async delete(principal, accountId, id) {
      await getWritable(principal, accountId, id);
      if (!(await store.delete(accountId, id))) throw notFound(titleOf(accountId, id));
    },
  };
}

/** The fields that clients set. @throws AppError BAD_REQUEST naming the field. */
function parseFields({ displayName = "", description = "" }: SampleNoteBody) {
  checkDisplayName("displayName", displayName);
  checkText("description", description, MAX_DESCRIPTION_CHARS);
  return { displayName, description };
}
