import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { CreateSampleNoteQuery, SampleNoteBody, UpdateSampleNoteQuery } from "./schema.ts";
import type { SampleNotes } from "./service.ts";

const COLLECTION = "/v1/accounts/{account_id}/sampleNotes";
const RESOURCE = `${COLLECTION}/{sample_note_id}`;

export function sampleNoteRoutes(service: SampleNotes): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listSampleNotes",
      method: "GET",
      path: COLLECTION,
      query: ListQuerySchema,
      resource: SampleNoteBody,
      handle: ({ principal, params, query }) => service.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createSampleNote",
      method: "POST",
      whenSuspended: "allow",
      path: COLLECTION,
      query: CreateSampleNoteQuery,
      body: SampleNoteBody,
      handle: ({ principal, params, query, body }) =>
        service.create(principal, params["account_id"]!, query.sampleNoteId, body),
    }),
    defineRoute({
      operationId: "getSampleNote",
      method: "GET",
      path: RESOURCE,
      resource: SampleNoteBody,
      handle: ({ principal, params }) =>
        service.get(principal, params["account_id"]!, params["sample_note_id"]!),
    }),
    defineRoute({
      operationId: "updateSampleNote",
      method: "PATCH",
      whenSuspended: "allow",
      path: RESOURCE,
      query: UpdateSampleNoteQuery,
      body: SampleNoteBody,
      handle: ({ principal, params, query, body }) =>
        service.update(principal, params["account_id"]!, params["sample_note_id"]!, body, query.updateMask),
    }),
    defineRoute({
      operationId: "deleteSampleNote",
      method: "DELETE",
      whenSuspended: "allow",
      path: RESOURCE,
      async handle({ principal, params }) {
        await service.delete(principal, params["account_id"]!, params["sample_note_id"]!);
        return {};
      },
    }),
  ];
}
