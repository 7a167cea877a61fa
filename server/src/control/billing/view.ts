import type { Invoice, InvoiceLine, LedgerEntry, TransactionRow } from "../../metering/billing/service.ts";
import { formatDollars } from "../../metering/money/service.ts";
import type { InvoiceBody, TransactionBody } from "./schema.ts";

export function toTransaction(
  row: TransactionRow,
  entries: readonly LedgerEntry[],
  collection: string,
): TransactionBody {
  /** The part of the amount that reduced the debt or became credits: a credit entry, which is negative. */
  const appliedTo = (name: LedgerEntry["ledgerAccount"]): bigint => {
    const micros = entries.find(({ ledgerAccount }) => ledgerAccount === name)?.micros ?? 0n;
    return micros < 0n ? -micros : 0n;
  };
  const { id, accountId, kind, amountMicros, reference, description, createdBy, createTime } = row;
  return {
    name: `accounts/${accountId}/${collection}/${id}`,
    kind,
    amountUsd: formatDollars(amountMicros),
    appliedToBalanceUsd: formatDollars(appliedTo("balance")),
    addedToCreditsUsd: formatDollars(appliedTo("credits")),
    reference,
    description,
    createdBy,
    createTime: createTime.toISOString(),
  };
}

export function toInvoice(invoice: Invoice): InvoiceBody {
  const { accountId, id, totalMicros, paidMicros, isPastDue } = invoice;
  return {
    name: `accounts/${accountId}/invoices/${id}`,
    state: isPastDue ? "PAST_DUE" : paidMicros === totalMicros ? "PAID" : "OPEN",
    periodStart: invoice.periodStart.toISOString(),
    periodEnd: invoice.periodEnd.toISOString(),
    totalUsd: formatDollars(totalMicros),
    paidUsd: formatDollars(paidMicros),
    amountDueUsd: formatDollars(totalMicros - paidMicros),
    createTime: invoice.createTime.toISOString(),
    dueTime: invoice.dueTime.toISOString(),
  };
}

export function toInvoiceLine({ month, startTime, endTime, micros, ...line }: InvoiceLine) {
  return {
    ...line,
    month: month.toISOString(),
    startTime: startTime.toISOString(),
    endTime: endTime.toISOString(),
    amountUsd: formatDollars(micros),
  };
}
