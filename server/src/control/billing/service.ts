import { checkText } from "../../lib/display-text.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import {
  type Billing,
  type LedgerEntryInput,
  TRANSACTION_KINDS,
  type TransactionKind,
  type TransactionRow,
} from "../../metering/billing/service.ts";
import { formatDollars, parseDollars } from "../../metering/money/service.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { type Account, type Accounts, authorize, notFound, type Principal } from "../accounts/service.ts";
import type {
  BillingSummary,
  BillingTerms,
  InvoiceBody,
  LedgerEntryBody,
  TransactionBody,
} from "./schema.ts";
import { toInvoice, toInvoiceLine, toTransaction } from "./view.ts";

export interface BillingServiceDeps {
  billing: Billing;
  accounts: Pick<Accounts, "get">;
}

/** The kinds of transactions in each collection of the API. */
const TRANSACTION_COLLECTIONS = {
  payments: ["payment"],
  credits: ["credit_purchase", "credit_grant"],
  adjustments: ["adjustment"],
  transactions: TRANSACTION_KINDS,
} as const satisfies Record<string, readonly TransactionKind[]>;
export type TransactionCollection = keyof typeof TRANSACTION_COLLECTIONS;

const MAX_TEXT_CHARS = 500;
const BLOCKED = "BLOCKED_BY_ABUSE_RULE";

/** The billing operations: an account's admins read, the operator records payments and sets terms. */
export class BillingService {
  readonly #deps: BillingServiceDeps;

  constructor(deps: BillingServiceDeps) {
    this.#deps = deps;
  }

  async summary(principal: Principal, accountId: string): Promise<BillingSummary> {
    const account = await this.#account(principal, accountId);
    const { billing } = this.#deps;
    const [status, alerts] = await Promise.all([billing.status(accountId), billing.alerts(accountId)]);
    const { limitMicros, maxMicros, tier } = status.limit;
    return {
      name: `accounts/${accountId}/billing`,
      enabled: status.enabled,
      tier,
      paymentTerms: status.paymentTerms,
      monthToDateUsd: formatDollars(status.spentMicros),
      ...(limitMicros === null ? {} : { spendLimitUsd: formatDollars(limitMicros) }),
      ...(maxMicros === null ? {} : { maxSpendLimitUsd: formatDollars(maxMicros) }),
      creditBalanceUsd: formatDollars(status.creditMicros),
      outstandingBalanceUsd: formatDollars(status.owedMicros),
      suspendState: account.suspendState,
      spendAlerts: alerts.map((alert) => ({
        month: alert.month.toISOString(),
        ...(alert.percent === 0 ? {} : { percent: alert.percent }),
        thresholdUsd: formatDollars(alert.thresholdMicros),
        ...(alert.limitMicros === null ? {} : { limitUsd: formatDollars(alert.limitMicros) }),
        spentUsd: formatDollars(alert.spentMicros),
        createTime: alert.createTime.toISOString(),
      })),
    };
  }

  /** @throws AppError FORBIDDEN for all but the operator, BAD_REQUEST. */
  async setTerms(principal: Principal, accountId: string, body: BillingTerms): Promise<BillingSummary> {
    const account = await this.#account(principal, accountId);
    requireOperator(principal);
    const { tier, paymentTerms } = body;
    const suspendState = body.suspendState ?? "UNSUSPENDED";
    // The platform sets the other states itself. The current state is accepted, so that a client may send back what it
    // read.
    if (!["UNSUSPENDED", BLOCKED, account.suspendState].includes(suspendState)) {
      throw badRequest("suspendState", `suspendState can only be set to ${BLOCKED} or UNSUSPENDED.`);
    }
    const terms = {
      ...(tier === undefined ? {} : { tier: tier ?? null }),
      ...(paymentTerms === undefined ? {} : { paymentTerms: paymentTerms ?? "POSTPAID" }),
    };
    const { billing } = this.#deps;
    if (Object.keys(terms).length > 0) await billing.setTerms(accountId, terms);
    if (body.suspendState !== undefined) await billing.setBlocked(accountId, suspendState === BLOCKED);
    return this.summary(principal, accountId);
  }

  /** @throws AppError FORBIDDEN for all but the operator, BAD_REQUEST, ALREADY_EXISTS. */
  async recordEntry(
    principal: Principal,
    accountId: string,
    kind: LedgerEntryInput["kind"],
    body: LedgerEntryBody,
  ): Promise<TransactionBody> {
    await this.#account(principal, accountId);
    requireOperator(principal);
    const { amountUsd, reference = "", description = "", requestId = null } = body;
    if (amountUsd === undefined) throw badRequest("amountUsd", "amountUsd is required.");
    const amountMicros = parseDollars("amountUsd", amountUsd);
    if (amountMicros === 0n) throw badRequest("amountUsd", "amountUsd must be above 0.");
    checkText("reference", reference, MAX_TEXT_CHARS);
    checkText("description", description, MAX_TEXT_CHARS);
    const createdBy = `accounts/${principal.accountId}/users/${principal.userId}`;
    const row = await this.#deps.billing.recordEntry({
      accountId,
      kind,
      amountMicros,
      requestId,
      reference,
      description,
      createdBy,
    });
    return (await this.#bodies([row], collectionOf(kind)))[0]!;
  }

  async listTransactions(
    principal: Principal,
    accountId: string,
    collection: TransactionCollection,
    query: ListQuery,
  ) {
    await this.#account(principal, accountId);
    const page = await this.#deps.billing.listTransactions(
      query,
      accountId,
      TRANSACTION_COLLECTIONS[collection],
    );
    return {
      [collection]: await this.#bodies(page.rows, collection),
      nextPageToken: page.nextPageToken,
      totalSize: page.totalSize,
    };
  }

  async getTransaction(
    principal: Principal,
    accountId: string,
    collection: TransactionCollection,
    id: string,
  ): Promise<TransactionBody> {
    await this.#account(principal, accountId);
    const row = await this.#deps.billing.getTransaction(accountId, id, TRANSACTION_COLLECTIONS[collection]);
    if (row === null) throw notFound(`accounts/${accountId}/${collection}/${id}`);
    return (await this.#bodies([row], collection))[0]!;
  }

  async listInvoices(principal: Principal, accountId: string, query: ListQuery) {
    await this.#account(principal, accountId);
    const { rows, nextPageToken, totalSize } = await this.#deps.billing.listInvoices(query, accountId);
    return { invoices: rows.map(toInvoice), nextPageToken, totalSize };
  }

  async getInvoice(principal: Principal, accountId: string, id: string): Promise<InvoiceBody> {
    await this.#account(principal, accountId);
    const invoice = await this.#deps.billing.getInvoice(accountId, id);
    if (invoice === null) throw notFound(`Invoice accounts/${accountId}/invoices/${id}`);
    return { ...toInvoice(invoice), lines: invoice.lines.map(toInvoiceLine) };
  }

  /** The account, if the principal is one of its admins. @throws AppError NOT_FOUND, FORBIDDEN. */
  async #account(principal: Principal, accountId: string): Promise<Account> {
    authorize(principal, accountId, "admin", `Account accounts/${accountId}`);
    return this.#deps.accounts.get(principal, accountId);
  }

  async #bodies(
    rows: readonly TransactionRow[],
    collection: TransactionCollection,
  ): Promise<TransactionBody[]> {
    const entries = await this.#deps.billing.entries(rows.map(({ id }) => id));
    return rows.map((row) => toTransaction(row, entries.get(row.id) ?? [], collection));
  }
}

/** Source of the quota `monthly-spend-usd`, in whole dollars. */
export function spendQuota(billing: Billing) {
  const DOLLAR = 1_000_000n;
  /** A higher limit has no effect, and its micro-dollars would overflow the database column. */
  const MAX_DOLLARS = 1_000_000_000_000n;
  return {
    /** Null: unlimited. */
    async maxOf(accountId: string): Promise<bigint | null> {
      const { maxMicros } = (await billing.status(accountId)).limit;
      return maxMicros === null ? null : maxMicros / DOLLAR;
    },
    /** @param value null: the tier's limit. */
    onSet: (accountId: string, value: bigint | null): Promise<void> =>
      billing.setTerms(accountId, {
        spendLimitMicros: value === null || value > MAX_DOLLARS ? null : value * DOLLAR,
      }),
    async usageOf(accountId: string): Promise<number> {
      return Number((await billing.status(accountId)).spentMicros) / Number(DOLLAR);
    },
  };
}

/**
 * Applies `whenSuspended: "refuse"` of the routes. Callers who may not see the account are let through, so that the
 * operation answers NOT_FOUND and they don't learn that the account is suspended.
 * @param check throws PAYMENT_REQUIRED for an account that may not spend.
 */
export function suspensionCheck(
  check: (accountId: string) => void,
): (principal: Principal, accountId: string) => void {
  return (principal, accountId) => {
    if (principal.isOperator || principal.accountId === accountId) check(accountId);
  };
}

function requireOperator({ isOperator }: Principal): void {
  if (!isOperator)
    throw new AppError("FORBIDDEN", "Only the operator of the platform records payments and credits.");
}

function collectionOf(kind: LedgerEntryInput["kind"]): TransactionCollection {
  if (kind === "payment") return "payments";
  return kind === "adjustment" ? "adjustments" : "credits";
}
