import type { LedgerAccount, TransactionKind } from "./table.ts";

export interface LedgerEntry {
  ledgerAccount: LedgerAccount;
  /** Positive: a debit. */
  micros: bigint;
}

/** The ledger account opposite the customer's, and the sign of the change to what the customer has. */
const KINDS: Readonly<Record<TransactionKind, { counterpart: LedgerAccount; sign: 1n | -1n | 0n }>> = {
  usage: { counterpart: "revenue", sign: -1n },
  waived_usage: { counterpart: "revenue", sign: 0n },
  reservation: { counterpart: "revenue", sign: -1n },
  payment: { counterpart: "payments", sign: 1n },
  credit_purchase: { counterpart: "payments", sign: 1n },
  credit_grant: { counterpart: "adjustments", sign: 1n },
  adjustment: { counterpart: "adjustments", sign: -1n },
};

/** The change to the customer's net amount, which is positive for credits and negative for debt. @param amount > 0. */
export function balanceChangeOf(kind: TransactionKind, amount: bigint): bigint {
  return KINDS[kind].sign * amount;
}

/**
 * The entries of a transaction; they add up to zero. A customer never has credits and debt at once: payments reduce the
 * debt first, and usage takes credits first.
 * @param net the customer's net amount before the transaction. @param amount > 0.
 */
export function ledgerEntriesOf(net: bigint, kind: TransactionKind, amount: bigint): LedgerEntry[] {
  const after = net + balanceChangeOf(kind, amount);
  const entries: LedgerEntry[] = [
    { ledgerAccount: "balance", micros: owed(after) - owed(net) },
    { ledgerAccount: "credits", micros: owed(-net) - owed(-after) },
    { ledgerAccount: KINDS[kind].counterpart, micros: after - net },
  ];
  if (kind === "waived_usage") {
    entries.push(
      { ledgerAccount: "revenue", micros: -amount },
      { ledgerAccount: "adjustments", micros: amount },
    );
  }
  return entries.filter(({ micros }) => micros !== 0n);
}

function owed(net: bigint): bigint {
  return net < 0n ? -net : 0n;
}
