import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { CreateReservationQuery, ReservationBody } from "./schema.ts";
import type { Reservations } from "./service.ts";

const RESERVATIONS = "/v1/accounts/{account_id}/reservations";

export function reservationRoutes(reservations: Reservations): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listReservations",
      method: "GET",
      path: RESERVATIONS,
      query: ListQuerySchema,
      resource: ReservationBody,
      handle: ({ principal, params, query }) => reservations.list(principal, params["account_id"]!, query),
    }),
    // Not part of the Fireworks API, where sales creates reservations.
    defineRoute({
      operationId: "createReservation",
      method: "POST",
      whenSuspended: "allow",
      path: RESERVATIONS,
      query: CreateReservationQuery,
      body: ReservationBody,
      handle: ({ principal, params, query, body }) =>
        reservations.create(principal, params["account_id"]!, query.reservationId, body),
    }),
    defineRoute({
      operationId: "getReservation",
      method: "GET",
      path: `${RESERVATIONS}/{reservation_id}`,
      resource: ReservationBody,
      handle: ({ principal, params }) =>
        reservations.get(principal, params["account_id"]!, params["reservation_id"]!),
    }),
  ];
}
