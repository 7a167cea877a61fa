import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
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

/** Not part of the Fireworks API. */
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
      whenSuspended: "allow",
      path: `${ACCOUNT}/billing`,
      body: BillingTerms,
      handle: ({ principal, params, body }) => billing.setTerms(principal, params["account_id"]!, body),
    }),
    defineRoute({
      operationId: "createPayment",
      method: "POST",
      whenSuspended: "allow",
      path: `${ACCOUNT}/payments`,
      body: LedgerEntryBody,
      handle: ({ principal, params, body }) =>
        billing.recordEntry(principal, params["account_id"]!, "payment", body),
    }),
    defineRoute({
      operationId: "createCredit",
      method: "POST",
      whenSuspended: "allow",
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
      whenSuspended: "allow",
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
