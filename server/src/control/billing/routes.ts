import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRequest, type ResourceRoute } from "../../platform/http/resources.ts";
import {
  BillingSummary,
  BillingTerms,
  CreditBody,
  InvoiceBody,
  LedgerEntryBody,
  TransactionBody,
} from "./schema.ts";
import type { BillingService, TransactionCollection } from "./service.ts";

const ACCOUNT = "/v1/accounts/{account_id}";

/**
 * What may be asked for in a suspended account although it makes or begins something: what costs nothing, pays or ends
 * something.
 */
const FREE = new Set([
  ...["createAccount", "createUser", "createApiKey", "createUserApiKey"],
  ...["deleteApiKey", "deleteUserApiKey", "validateModelConfig"],
  ...["createPayment", "createCredit", "createAdjustment", "createReservation", "createDeploymentShape"],
]);

/**
 * The routes, where those that make or begin something are refused in suspended accounts.
 * @param check throws for one that may not spend. Strangers don't hear of it.
 */
export function refuseSuspended(
  routes: readonly ResourceRoute[],
  check: (accountId: string) => void,
): ResourceRoute[] {
  return routes.map((route) => {
    const { operationId } = route;
    const isBeginning = route.method === "POST" || route.changes;
    if (!isBeginning || FREE.has(operationId) || /^(?:cancel|batchDelete)/.test(operationId)) return route;
    return {
      ...route,
      async handle(call) {
        const { principal, params } = call as ResourceRequest<unknown, unknown>;
        const accountId = params["account_id"]!;
        if (principal.isOperator || principal.accountId === accountId) check(accountId);
        return route.handle(call);
      },
    };
  });
}

/** Beyond the contract. */
export function billingRoutes(billing: BillingService): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "getBilling",
      method: "GET",
      path: `${ACCOUNT}/billing`,
      resource: BillingSummary,
      handle: ({ principal, params }) => billing.summary(principal, params["account_id"]!),
    }),
    defineRoute({
      operationId: "updateBilling",
      method: "PATCH",
      path: `${ACCOUNT}/billing`,
      body: BillingTerms,
      handle: ({ principal, params, body }) => billing.setTerms(principal, params["account_id"]!, body),
    }),
    defineRoute({
      operationId: "createPayment",
      method: "POST",
      path: `${ACCOUNT}/payments`,
      body: LedgerEntryBody,
      handle: ({ principal, params, body }) =>
        billing.recordEntry(principal, params["account_id"]!, "payment", body),
    }),
    defineRoute({
      operationId: "createCredit",
      method: "POST",
      path: `${ACCOUNT}/credits`,
      body: CreditBody,
      handle({ principal, params, body: { granted = false, ...body } }) {
        const kind = granted ? "credit_grant" : "credit_purchase";
        return billing.recordEntry(principal, params["account_id"]!, kind, body);
      },
    }),
    defineRoute({
      operationId: "createAdjustment",
      method: "POST",
      path: `${ACCOUNT}/adjustments`,
      body: LedgerEntryBody,
      handle: ({ principal, params, body }) =>
        billing.recordEntry(principal, params["account_id"]!, "adjustment", body),
    }),
    ...transactionRoutes(billing, "payments", "Payment"),
    ...transactionRoutes(billing, "credits", "Credit"),
    ...transactionRoutes(billing, "adjustments", "Adjustment"),
    ...transactionRoutes(billing, "transactions", "Transaction"),
    defineRoute({
      operationId: "listInvoices",
      method: "GET",
      path: `${ACCOUNT}/invoices`,
      query: ListQuerySchema,
      resource: InvoiceBody,
      handle: ({ principal, params, query }) => billing.listInvoices(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "getInvoice",
      method: "GET",
      path: `${ACCOUNT}/invoices/{invoice_id}`,
      resource: InvoiceBody,
      handle: ({ principal, params }) =>
        billing.getInvoice(principal, params["account_id"]!, params["invoice_id"]!),
    }),
  ];
}

function transactionRoutes(
  billing: BillingService,
  collection: TransactionCollection,
  /** Singular, as in operation ids. */
  title: string,
): ResourceRoute[] {
  return [
    defineRoute({
      operationId: `list${title}s`,
      method: "GET",
      path: `${ACCOUNT}/${collection}`,
      query: ListQuerySchema,
      resource: TransactionBody,
      handle: ({ principal, params, query }) =>
        billing.listTransactions(principal, params["account_id"]!, collection, query),
    }),
    defineRoute({
      operationId: `get${title}`,
      method: "GET",
      path: `${ACCOUNT}/${collection}/{transaction_id}`,
      resource: TransactionBody,
      handle: ({ principal, params }) =>
        billing.getTransaction(principal, params["account_id"]!, collection, params["transaction_id"]!),
    }),
  ];
}
